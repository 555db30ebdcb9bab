export type { ModelAnswer } from './model-call.js'
export { ModelClient } from './model-client.js'
export { ModelRegistry } from './model-registry.js'
export { ModelsModule } from './models.module.js'
