import { z } from 'zod'

const MAX_SLUG_LENGTH = 64
/** What stands in URLs where a slug could: `GET /v1/projects/count`. */
const RESERVED_SLUGS: ReadonlySet<string> = new Set(['count'])
/** For a name without a letter that a slug can have. */
const NAMELESS = 'project'

/** A project's name in URLs. */
export const projectSlugSchema = z
  .string()
  .max(MAX_SLUG_LENGTH, { abort: true })
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, {
    error: 'must be 1 to 64 lower-case letters, digits and inner hyphens',
  })

export function isReservedSlug(slug: string): boolean {
  return RESERVED_SLUGS.has(slug)
}

/** The slug that a name makes: `Crème brûlée 2` is `creme-brulee-2`. */
export function slugFrom(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
  return cut(plain.replace(/^-/, ''), MAX_SLUG_LENGTH) || NAMELESS
}

/** `count` variants of a slug from the `first` on: the slug itself, `-2`, `-3` and so on. Without those that are reserved. */
export function slugVariants(slug: string, { first, count }: { first: number; count: number }): string[] {
  const variants = Array.from({ length: count }, (_, index) => variantOf(slug, first + index))
  return variants.filter((variant) => !isReservedSlug(variant))
}

function variantOf(slug: string, number: number): string {
  if (number === 1) return slug
  const suffix = `-${number}`
  return cut(slug, MAX_SLUG_LENGTH - suffix.length) + suffix
}

function cut(slug: string, length: number): string {
  return slug.slice(0, length).replace(/-$/, '')
}
