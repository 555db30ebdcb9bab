import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'

const ROOT = resolve(import.meta.dirname, '../..')

/** One violation a rule: a file that must not be allowed, and what it imports. */
const PLANTED: Record<string, { file: string; source: string }> = {
  'no-cycles': { file: 'src/kernel/cycle-a.ts', source: "import './cycle-b.js'\nexport const a = 1" },
  'kernel-imports-only-node': { file: 'src/kernel/bad.ts', source: "import { z } from 'zod'\nexport const s = z" },
  'platform-knows-no-module': {
    file: 'src/platform/bad.ts',
    source: "import { RunsModule } from '#modules/runs'\nexport const m = RunsModule",
  },
  'modules-meet-at-their-index': {
    file: 'src/modules/planted/inner.service.ts',
    source: "import { RunsService } from '../runs/runs.service.js'\nexport const s = RunsService",
  },
  'module-arrows': {
    file: 'src/modules/agents/bad.service.ts',
    source: "import { RunsModule } from '#modules/runs'\nexport const m = RunsModule",
  },
  'nobody-imports-listeners': {
    file: 'src/modules/runs/bad.service.ts',
    source: "import { MetricsModule } from '#modules/metrics'\nexport const m = MetricsModule",
  },
  'only-repositories-name-typeorm': {
    file: 'src/modules/runs/bad-sql.service.ts',
    source: "import { In } from 'typeorm'\nexport const i = In",
  },
  'controllers-stay-at-the-edge': {
    file: 'src/modules/runs/bad.controller.ts',
    source: "import { RunsRepository } from './runs.repository.js'\nexport const r = RunsRepository",
  },
  'nobody-imports-controllers': {
    file: 'src/modules/runs/worse.service.ts',
    source: "import { RunsController } from './runs.controller.js'\nexport const c = RunsController",
  },
  'repositories-stand-on-the-database': {
    file: 'src/modules/runs/bad.repository.ts',
    source: "import { RunsService } from './runs.service.js'\nexport const s = RunsService",
  },
  'pure-files-stay-pure': {
    file: 'src/modules/runs/bad-pure.ts',
    source: "import { Injectable } from '@nestjs/common'\nexport const i = Injectable",
  },
  'pure-files-import-no-role': {
    file: 'src/modules/runs/worse-pure.ts',
    source: "import { RunsService } from './runs.service.js'\nexport const s = RunsService",
  },
}

interface Cruise {
  readonly summary: {
    readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[]
  }
}

describe('the rules of who may import whom', () => {
  let folder: string
  let planted: Cruise
  let clean: Cruise

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'temponest-rules-'))
    for (const name of ['src', 'package.json', 'tsconfig.json', '.dependency-cruiser.mjs']) {
      cpSync(join(ROOT, name), join(folder, name), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    clean = cruise(folder)
    for (const { file, source } of Object.values(PLANTED)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), source)
    }
    writeFileSync(join(folder, 'src/kernel/cycle-b.ts'), "import './cycle-a.js'\nexport const b = 1")
    planted = cruise(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('hold for the sources as they are', () => {
    expect(clean.summary.violations).toEqual([])
  })

  it.each(Object.entries(PLANTED))('catch a violation of %s', (rule, { file }) => {
    const caught = planted.summary.violations.filter((violation) => violation.from === file)
    expect(caught.map((violation) => violation.rule.name)).toContain(rule)
  })

  it('are each proved by a planted violation', async () => {
    const { default: config } = (await import(join(ROOT, '.dependency-cruiser.mjs'))) as {
      default: { forbidden: { name: string }[] }
    }
    expect(config.forbidden.map(({ name }) => name).sort()).toEqual(Object.keys(PLANTED).sort())
  })
})

function cruise(folder: string): Cruise {
  const program = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs')
  const args = ['--config', '.dependency-cruiser.mjs', '--output-type', 'json', '--no-progress', 'src']
  try {
    return JSON.parse(
      execFileSync(process.execPath, [program, ...args], { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26 }),
    ) as Cruise
  } catch (error) {
    // It exits with the number of violations.
    return JSON.parse((error as { stdout: string }).stdout) as Cruise
  }
}
