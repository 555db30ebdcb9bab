import { hash } from 'node:crypto'
import { type AcceptedCodings, type Coding, CODINGS } from './content-coding.js'

const TAG_PATTERN = /"[\x21\x23-\x7e\x80-\xff]*"/g

/** What an answer says, as a short text: equal for equal bytes, before any coding. */
export function fingerprintOf(body: string | Buffer): string {
  return hash('sha256', body, 'base64url')
}

/** A strong tag (RFC 9110 §8.8.3): other bytes, other tag, so each coding has its own. */
export function entityTag(fingerprint: string, coding: Coding | null): string {
  return coding === null ? `"${fingerprint}"` : `"${fingerprint}-${coding}"`
}

/**
 * Which of the answer's tags If-None-Match names, told by its coding, by weak comparison (RFC 9110 §13.1.2). A tag of a
 * coding that this client cannot read is none: a shared cache may have asked on its behalf, and would hand that out.
 * @returns `*` when any will do, null when there is none
 */
export function findMatch(
  header: string,
  fingerprint: string,
  { readable }: AcceptedCodings,
): Coding | 'identity' | '*' | null {
  if (header.trim() === '*') return '*'
  if (!header.includes(fingerprint)) return null
  const named = new Set(Array.from(header.matchAll(TAG_PATTERN), ([tag]) => tag))
  if (readable.has('identity') && named.has(entityTag(fingerprint, null))) return 'identity'
  return CODINGS.find((coding) => readable.has(coding) && named.has(entityTag(fingerprint, coding))) ?? null
}
