export type { BoundTool, ToolCallContext, ToolUse } from './tool.js'
export { ToolRegistry } from './tool-registry.service.js'
export { Toolbox } from './toolbox.service.js'
export { ToolsModule } from './tools.module.js'
