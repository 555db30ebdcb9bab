/** A mail as it came in. */
export interface ReceivedMail {
  /** Of the SMTP envelope. */
  readonly from: string
  readonly to: readonly string[]
  readonly secure: boolean
  readonly user: string | undefined
  /** By lower-case name, unfolded, in the order they came. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly subject: string
  readonly text: string
  readonly html: string
  /** The token of its link. */
  readonly token: string
}

type Envelope = Pick<ReceivedMail, 'from' | 'to' | 'secure' | 'user'>

/** Reads a message of two alternatives (RFC 5322, 2045, 2047), which is what the server writes. */
export function readMail(raw: string, envelope: Envelope): ReceivedMail {
  const { headers, body } = split(raw)
  const boundary = /boundary="?([^";]+)"?/.exec(headers.get('content-type')?.[0] ?? '')?.[1]
  const parts = body.split(`--${boundary}`).map((part) => split(part.replace(/^\r\n/, '')))
  const partOf = (type: string): string => {
    const part = parts.find(({ headers }) => headers.get('content-type')?.[0]?.startsWith(type))
    if (!part) throw new Error(`the mail has no part of ${type}`)
    return decodeBody(part.body, part.headers.get('content-transfer-encoding')?.[0] ?? '7bit')
  }
  const text = partOf('text/plain').replaceAll('\r\n', '\n')
  return {
    ...envelope,
    headers,
    subject: decodeWords(headers.get('subject')?.[0] ?? ''),
    text,
    html: partOf('text/html'),
    token: /#token=(\S+)/.exec(text)?.[1] ?? '',
  }
}

function split(message: string): { headers: Map<string, string[]>; body: string } {
  const end = message.indexOf('\r\n\r\n')
  const headers = new Map<string, string[]>()
  for (const line of message
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), line.slice(line.indexOf(':') + 1).trim()])
  }
  return { headers, body: message.slice(end + 4) }
}

function decodeBody(body: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8')
  return encoding === 'quoted-printable' ? decodeQuoted(body.replaceAll(/=\r\n/g, '')) : body
}

function decodeWords(text: string): string {
  return text
    .replaceAll(/\?=\s+=\?/g, '?==?')
    .replaceAll(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_, encoding: string, content: string) =>
      encoding.toLowerCase() === 'b'
        ? Buffer.from(content, 'base64').toString('utf8')
        : decodeQuoted(content.replaceAll('_', ' ')),
    )
}

function decodeQuoted(text: string): string {
  const bytes = text.replaceAll(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
