/** Shorter ones would be found in any text. */
const MIN_SECRET_LENGTH = 6
const REDACTED = '[redacted]'

/**
 * Takes the values of these headers out of a text, and what follows the scheme in one such as `Bearer …`: a server that
 * repeats what we have sent must not tell it to a model.
 */
export function redactorOf(headers: Readonly<Record<string, string>>): (text: string) => string {
  const secrets = Object.values(headers)
    .flatMap((value) => [value, /^\S+ (\S+)$/.exec(value)?.[1] ?? ''])
    .filter((secret) => secret.length >= MIN_SECRET_LENGTH)
  return (text) => secrets.reduce((redacted, secret) => redacted.replaceAll(secret, REDACTED), text)
}
