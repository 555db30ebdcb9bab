/** The parts of `provider/model`. The model's own name may hold slashes. */
export interface ModelName {
  readonly provider: string
  readonly model: string
}

/** Splits a full name at its first slash; null when there are no two parts. */
export function parseModelName(name: string): ModelName | null {
  const slash = name.indexOf('/')
  if (slash <= 0 || slash === name.length - 1) return null
  return { provider: name.slice(0, slash), model: name.slice(slash + 1) }
}
