import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/sdk/types.js'

/** What a model reads of an MCP result: its texts, a note for all else, and the structured part where there is nothing besides. */
export function contentText({
  content,
  structuredContent,
}: Pick<CallToolResult, 'content' | 'structuredContent'>): string {
  if (content.length === 0 && structuredContent) return JSON.stringify(structuredContent)
  return content.map(blockText).join('\n')
}

function blockText(block: ContentBlock): string {
  if (block.type === 'text') return block.text
  if (block.type === 'resource_link') return `[resource ${block.name}: ${block.uri}]`
  if (block.type === 'resource' && 'text' in block.resource) return block.resource.text
  const { mimeType = 'of an unknown type' } = block.type === 'resource' ? block.resource : block
  return `[${block.type}, ${mimeType}, not shown]`
}
