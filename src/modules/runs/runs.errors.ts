import { AppError } from '#kernel/app-error.js'

/** The tenant lets no model run that has no price. */
export function modelUnpriced(model: string): AppError {
  const detail = `${model} has no price here, and your team lets no model run without one: PUT /v1/costs/prices/${model} says what it costs.`
  return new AppError('model_unpriced', 'forbidden', { detail })
}
