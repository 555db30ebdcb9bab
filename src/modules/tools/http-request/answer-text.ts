/** Headers that tell a model what to do next. */
const SHOWN_HEADERS = ['content-type', 'location', 'retry-after', 'etag', 'link']
const TEXT_TYPE =
  /^(text\/|application\/(json|xml|javascript|x-www-form-urlencoded|yaml|x-ndjson|graphql)|[^;]+\+(json|xml|yaml))/i
const CHARSET = /;\s*charset="?([\w-]+)/i

export interface HttpAnswer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly isTruncated: boolean
}

/** An answer as a model reads it: status, the headers that matter, and the body if that is a text. */
export function answerText({ status, headers, body, isTruncated }: HttpAnswer): string {
  const shown = SHOWN_HEADERS.flatMap((name) => (headers[name] === undefined ? [] : [`${name}: ${headers[name]}`]))
  const cut = isTruncated ? [`[cut: the first ${body.length} bytes]`] : []
  return [`HTTP ${status}`, ...shown, '', bodyText(body, headers['content-type'] ?? ''), ...cut].join('\n').trimEnd()
}

function bodyText(body: Buffer, contentType: string): string {
  if (body.length === 0) return ''
  const text = TEXT_TYPE.test(contentType)
    ? decode(body, CHARSET.exec(contentType)?.[1])
    : decodeUntyped(body, contentType)
  return text ?? `[${body.length} bytes of ${contentType || 'an unknown type'}, which are no text]`
}

function decode(body: Buffer, charset = 'utf-8'): string {
  try {
    return new TextDecoder(charset).decode(body)
  } catch {
    // A charset that nobody knows.
    return body.toString('utf8')
  }
}

/** Null when it is no text. */
function decodeUntyped(body: Buffer, contentType: string): string | null {
  if (contentType !== '' || body.includes(0)) return null
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return null
  }
}
