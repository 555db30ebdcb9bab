import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

const CHECK_MS = 50

/**
 * Once the server has stopped to listen, closes each connection as soon as no request is on it. Node itself does so for
 * those that are idle at that very moment; one whose answer is still on its way then, or that was opened ahead and never
 * used, it would keep for as long as its client likes.
 */
export function closeIdleConnectionsOnStop(fastify: FastifyInstance): void {
  const { server } = fastify
  const sockets = new Set<Socket>()
  let timer: NodeJS.Timeout | undefined
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  fastify.addHook('preClose', async () => {
    timer = setInterval(() => {
      server.closeIdleConnections()
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    }, CHECK_MS)
  })
  fastify.addHook('onClose', async () => clearInterval(timer))
}
