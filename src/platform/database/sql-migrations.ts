import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The same three steps up from `src/platform/database` and from `dist/platform/database`. */
const MIGRATIONS_FOLDER = new URL('../../../migrations/', import.meta.url)
const FILE_PATTERN = /^(\d{13})-([a-z0-9-]+)\.sql$/
const SECTIONS_PATTERN = /^([\s\S]*?)^-- up$([\s\S]*?)^-- down$([\s\S]*)$/m

type MigrationClass = new () => MigrationInterface & { readonly name: string }

/**
 * TypeORM migrations from `migrations/<13-digit time>-<name>.sql`: a comment that says why, `-- up`, `-- down`.
 * `:"app_role"` in them stands for the quoted name of the role that serves requests, as psql's variables do.
 */
export function loadSqlMigrations(appRoleIdentifier: string): MigrationClass[] {
  return readdirSync(fileURLToPath(MIGRATIONS_FOLDER))
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => migrationFromFile(file, appRoleIdentifier))
}

function migrationFromFile(file: string, appRoleIdentifier: string): MigrationClass {
  const [, time, name] = FILE_PATTERN.exec(file) ?? []
  const sections = SECTIONS_PATTERN.exec(readFileSync(new URL(file, MIGRATIONS_FOLDER), 'utf8'))
  if (!time || !name || !sections) {
    throw new Error(`migrations/${file}: needs a name like 1763692800000-what.sql and the lines "-- up" and "-- down"`)
  }
  const [up, down] = [sections[2] ?? '', sections[3] ?? ''].map((sql) =>
    sql.replaceAll(':"app_role"', appRoleIdentifier),
  )
  return class implements MigrationInterface {
    readonly name = `${name}-${time}`
    async up(runner: QueryRunner): Promise<void> {
      await runner.query(up ?? '')
    }
    async down(runner: QueryRunner): Promise<void> {
      await runner.query(down ?? '')
    }
  }
}
