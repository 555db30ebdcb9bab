import { AppError } from '#kernel/app-error.js'

export function noPrice(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'Nobody has said what this model costs.' })
}

export function priceLimitReached(limit: number): AppError {
  return new AppError('price_limit_reached', 'conflict', {
    detail: `A team can set ${limit} prices, and none is ever taken back.`,
  })
}
