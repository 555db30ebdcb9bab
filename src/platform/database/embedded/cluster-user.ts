import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** The uid that root appears as inside the user namespace; any value but 0 will do. */
const NAMESPACE_UID = '1000'

/** How to run PostgreSQL's programs: they refuse to run as root. */
export interface ClusterUser {
  /** Wraps a command line so that it runs as this user. */
  command(program: string, args: readonly string[]): { file: string; args: string[]; uid?: number; gid?: number }
  /** The owner that the data directory must have, where it is not us. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/**
 * Picks the user that the embedded PostgreSQL runs as. Nobody but root needs a trick. Root runs it in a user namespace,
 * where it has another uid and can still reach folders that only root may enter (a clone under /root, say); where the
 * host forbids namespaces, as the `postgres` user.
 * @param dataDirectory an existing cluster keeps the owner that it was made with.
 */
export async function pickClusterUser(dataDirectory: string): Promise<ClusterUser> {
  if (userInfo().uid !== 0) return { command: (program, args) => ({ file: program, args: [...args] }) }
  const existing = await stat(dataDirectory).catch(() => undefined)
  const ownedByRoot = existing === undefined || existing.uid === 0
  if (ownedByRoot && (await namespacesWork())) return namespaceUser
  const owner = ownedByRoot ? await postgresUser() : { uid: existing.uid, gid: existing.gid }
  return { owner, command: (program, args) => ({ file: program, args: [...args], ...owner }) }
}

const NAMESPACE_ARGS = ['--user', `--map-user=${NAMESPACE_UID}`, `--map-group=${NAMESPACE_UID}`, '--']

const namespaceUser: ClusterUser = {
  command: (program, args) => ({ file: 'unshare', args: [...NAMESPACE_ARGS, program, ...args] }),
}

async function namespacesWork(): Promise<boolean> {
  return run('unshare', [...NAMESPACE_ARGS, 'true']).then(
    () => true,
    () => false,
  )
}

async function postgresUser(): Promise<{ uid: number; gid: number }> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', 'postgres']), run('id', ['-g', 'postgres'])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch (cause) {
    throw new Error(
      'the embedded PostgreSQL does not run as root, and this host has neither user namespaces nor a postgres user: ' +
        'start as another user, create one with `useradd postgres`, or set DATABASE_URL',
      { cause },
    )
  }
}
