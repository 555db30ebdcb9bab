// Jest refuses a CommonJS package that requires an ES module while that is still loading, as @willsoto/nestjs-prometheus
// does with Nest. Loaded here first, Nest is complete by then.
import 'reflect-metadata'
import '@nestjs/common'
import '@nestjs/core'
