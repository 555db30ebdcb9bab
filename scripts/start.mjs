import { become, ensureBuilt, ensureInstalled, serverArgs, serverEnv } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
become(serverArgs, serverEnv)
