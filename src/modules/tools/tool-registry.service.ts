import { Inject, Injectable } from '@nestjs/common'
import { AppError, type FieldError } from '#kernel/app-error.js'
import { validationFailed } from '#platform/http/validation.pipe.js'
import type { CheckedUse, Tool, ToolUse } from './tool.js'

/** What the run engine itself offers to models: an agent's tool of that name would be called in its place. */
const RESERVED_NAMES = ['delegate']

/** DI token: one of each tool that there is. */
export const TOOL_CATALOGUE = Symbol('TOOL_CATALOGUE')

/** A use whose config is what its tool expects. */
export interface KnownUse {
  readonly tool: Tool
  readonly use: CheckedUse<unknown>
}

type Issues = Parameters<typeof validationFailed>[0]
type Read = { readonly known: KnownUse } | { readonly issues: Issues }

/** The tools that agents can be given, by name. */
@Injectable()
export class ToolRegistry {
  private readonly tools: ReadonlyMap<string, Tool>

  constructor(@Inject(TOOL_CATALOGUE) catalogue: readonly Tool[]) {
    this.tools = new Map(catalogue.map((tool) => [tool.name, tool]))
  }

  /**
   * Whether an agent of this tenant can be given these tools. Asks no server of others.
   * @throws AppError `validation_failed` with pointers such as `/tools/0/config/hosts`
   */
  async check(tenantId: string, uses: readonly ToolUse[]): Promise<void> {
    const known = this.read(uses)
    const found = await Promise.all(
      known.map(async ({ tool, use }, index) => {
        const errors = await tool.check(tenantId, use.config)
        return errors.map((error) => below(`/tools/${index}/config`, error))
      }),
    )
    const errors = [...found.flat(), ...doubleNames(known)]
    if (errors.length === 0) return
    throw new AppError('validation_failed', 'invalid', { detail: 'The request has invalid fields.', errors })
  }

  /** @throws AppError `validation_failed` */
  read(uses: readonly ToolUse[]): KnownUse[] {
    const reads = uses.map((use, index) => this.readOne(use, index))
    const issues = reads.flatMap((read) => ('issues' in read ? read.issues : []))
    if (issues.length > 0) throw validationFailed(issues)
    return reads.flatMap((read) => ('known' in read ? [read.known] : []))
  }

  private readOne({ tool: name, config, requireApproval }: ToolUse, index: number): Read {
    const tool = this.tools.get(name)
    if (!tool) {
      const message = `There is no such tool. There are: ${[...this.tools.keys()].join(', ')}.`
      return { issues: [{ path: ['tools', index, 'tool'], message }] }
    }
    const { success, data, error } = tool.configSchema.safeParse(config)
    if (success) return { known: { tool, use: { config: data, requireApproval } } }
    const place = ['tools', index, 'config']
    return { issues: error.issues.map((issue) => Object.assign({}, issue, { path: [...place, ...issue.path] })) }
  }
}

/** A model that sees one name twice cannot say which it means. */
function doubleNames(known: readonly KnownUse[]): FieldError[] {
  const taken = new Set<string>(RESERVED_NAMES)
  return known.flatMap(({ tool, use }, index) => {
    const names = tool.namesOf(use.config)
    const double = names.find((name) => taken.has(name))
    for (const name of names) taken.add(name)
    const detail = `The name ${double} is taken, by another tool of this agent or by TempoNest itself.`
    return double === undefined ? [] : [{ pointer: `/tools/${index}/config`, detail }]
  })
}

function below(pointer: string, error: FieldError): FieldError {
  return { pointer: `${pointer}${error.pointer}`, detail: error.detail }
}
