import type { CanActivate, ExecutionContext } from '@nestjs/common'
import { ROUTE_ARGS_METADATA, RouteParamtypes } from '@nestjs/common/internal'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { validationFailed } from './validation.pipe.js'

const nothingSchema = z.strictObject({}).nullish()

/**
 * Refuses what is sent to a route whose handler declares no body, before anything happens: whoever sent it meant something by
 * it. An empty object and null mean nothing.
 * @throws AppError `validation_failed`
 */
export class UndeclaredBodyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { body } = context.switchToHttp().getRequest<FastifyRequest>()
    if (body === undefined || takesBody(context)) return true
    const { error } = nothingSchema.safeParse(body)
    if (error) throw validationFailed(error.issues)
    return true
  }
}

/** Nest keys what a handler's parameters are decorated with by `<kind>:<index>`. */
function takesBody(context: ExecutionContext): boolean {
  const handler = context.getHandler().name
  const parameters: object = Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), handler) ?? {}
  return Object.keys(parameters).some((key) => key.startsWith(`${RouteParamtypes.BODY}:`))
}
