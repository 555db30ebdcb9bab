import { z } from 'zod'

type Schema = z.core.$ZodType

/**
 * A body as if the fields had not been sent that are null, may be absent and do not take null themselves. Looks into objects
 * whose fields the schema names; records and lists are their sender's. The value itself is not changed.
 */
export function takeNullsAsAbsent(schema: Schema, value: unknown): unknown {
  if (value === null) return isAbsentByNull(schema) ? undefined : null
  const shape = shapeOf(schema)
  if (shape === null || typeof value !== 'object' || Array.isArray(value)) return value
  const fields = Object.entries(value).map(([key, field]): [string, unknown] => {
    const fieldSchema = Object.hasOwn(shape, key) ? shape[key] : undefined
    return [key, fieldSchema ? takeNullsAsAbsent(fieldSchema, field) : field]
  })
  return Object.fromEntries(fields.filter(([, field]) => field !== undefined))
}

function isAbsentByNull(schema: Schema): boolean {
  return z.safeParse(schema, undefined).success && !z.safeParse(schema, null).success
}

/** The fields of an object's schema, however absent or null the object may be; null: it is none. */
function shapeOf(schema: Schema): z.core.$ZodShape | null {
  if (schema instanceof z.ZodObject) return schema.shape
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) {
    return shapeOf(schema.unwrap())
  }
  return null
}
