/** The codings that we write, the one we would rather send first. */
export const CODINGS = ['br', 'gzip'] as const
export type Coding = (typeof CODINGS)[number]

/** What a client takes, by its Accept-Encoding. */
export interface AcceptedCodings {
  /** What to send: a coding, or null for the bytes as they are. */
  readonly best: Coding | null
  /** Codings that it can read, `identity` among them unless it says otherwise. */
  readonly readable: ReadonlySet<Coding | 'identity'>
}

/** `identity;q=0` and the like. */
const WEIGHT_PATTERN = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i
const ALIASES: Record<string, string> = { 'x-gzip': 'gzip' }
const AS_IT_IS: AcceptedCodings = { best: null, readable: new Set(['identity']) }
/** Clients send a few different headers for ever; who sends others each time is not remembered. */
const MAX_REMEMBERED = 64
const MAX_REMEMBERED_LENGTH = 128
const remembered = new Map<string, AcceptedCodings>()

/** Reads an Accept-Encoding header (RFC 9110 §12.5.3). */
export function acceptedCodings(header: string | undefined): AcceptedCodings {
  if (header === undefined) return AS_IT_IS
  const known = remembered.get(header)
  if (known) return known
  const parsed = parse(header)
  if (remembered.size < MAX_REMEMBERED && header.length <= MAX_REMEMBERED_LENGTH) remembered.set(header, parsed)
  return parsed
}

function parse(header: string): AcceptedCodings {
  const weights = new Map<string, number>()
  for (const element of header.split(',')) {
    const [name = '', ...parameters] = element.split(';').map((part) => part.trim().toLowerCase())
    const weight = parameters.length === 0 ? 1 : Number(WEIGHT_PATTERN.exec(parameters[0] ?? '')?.[1] ?? Number.NaN)
    if (name !== '' && !Number.isNaN(weight)) weights.set(ALIASES[name] ?? name, weight)
  }
  const others = weights.get('*')
  const weightOf = (coding: Coding): number => weights.get(coding) ?? others ?? 0
  const ofIdentity = weights.get('identity') ?? others
  const readable = new Set<Coding | 'identity'>(CODINGS.filter((coding) => weightOf(coding) > 0))
  // Without a word about it, the bytes as they are can be read, and are liked least.
  if (ofIdentity === undefined || ofIdentity > 0) readable.add('identity')
  const best = CODINGS.reduce((a, b) => (weightOf(b) > weightOf(a) ? b : a))
  const isBest = weightOf(best) > 0 && weightOf(best) >= (weights.get('identity') ?? 0)
  return { best: isBest ? best : null, readable }
}
