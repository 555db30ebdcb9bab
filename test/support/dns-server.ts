import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

export const NXDOMAIN = 3
export const SERVFAIL = 2
const HEADER_BYTES = 12
const ANSWER_FLAGS = 0x8180
const TYPE_NAMES: Readonly<Record<number, DnsQuestion['type']>> = { 1: 'A', 28: 'AAAA' }

export interface DnsQuestion {
  readonly name: string
  readonly type: 'A' | 'AAAA'
}

/** Addresses (none: the name exists and has none), a response code, or null: no answer ever. */
export type DnsAnswer = readonly string[] | number | null

/** A real name server on a port of this machine, which answers as the test says (RFC 1035, section 4). */
export class DnsServer implements AsyncDisposable {
  readonly questions: DnsQuestion[] = []

  private constructor(
    private readonly socket: Socket,
    private readonly answer: (question: DnsQuestion) => DnsAnswer,
  ) {
    socket.on('message', (message, sender) => this.take(message, sender))
  }

  static async start(answer: (question: DnsQuestion) => DnsAnswer): Promise<DnsServer> {
    const socket = createSocket('udp4')
    const server = new DnsServer(socket, answer)
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return server
  }

  /** As resolvers take it. */
  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.socket, 'close')
    this.socket.close()
    await closed
  }

  private take(message: Buffer, sender: RemoteInfo): void {
    const { question, bytes } = readQuestion(message)
    this.questions.push(question)
    const answer = this.answer(question)
    if (answer === null) return
    const isCode = typeof answer === 'number'
    const records = isCode ? [] : answer.filter((address) => isIP(address) === (question.type === 'A' ? 4 : 6))
    const header = Buffer.alloc(HEADER_BYTES)
    message.copy(header, 0, 0, 2)
    header.writeUInt16BE(ANSWER_FLAGS | (isCode ? answer : 0), 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(records.length, 6)
    const reply = Buffer.concat([header, bytes, ...records.map(recordOf)])
    this.socket.send(reply, sender.port, sender.address)
  }
}

function readQuestion(message: Buffer): { question: DnsQuestion; bytes: Buffer } {
  const labels: string[] = []
  let at = HEADER_BYTES
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const type = TYPE_NAMES[message.readUInt16BE(at + 1)]
  if (!type) throw new Error('only addresses are asked for')
  return { question: { name: labels.join('.'), type }, bytes: message.subarray(HEADER_BYTES, at + 5) }
}

/** For the name of the question, which begins where the header ends; to be forgotten at once. */
function recordOf(address: string): Buffer {
  const bytes = ipaddr.parse(address).toByteArray()
  const type = bytes.length === 4 ? 1 : 28
  return Buffer.from([0xc0, HEADER_BYTES, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length, ...bytes])
}
