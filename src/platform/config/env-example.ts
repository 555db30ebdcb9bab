import { z } from 'zod'
import { SETTING_GROUPS, type SettingMeta, settingsSchema } from './settings.js'

const HEADER = `# Every setting of TempoNest, with its default. Made by \`npm run env:example\` from src/platform/config/settings.ts.
# The server reads its environment, not this file: \`set -a; . ./.env; set +a; npm start\`. Blank means unset.
# Docker and Kubernetes pass the same names.`

/** The text of `.env.example`. */
export function renderEnvExample(): string {
  const settings = Object.entries(settingsSchema.shape).map(([name, schema]) => ({
    name,
    schema,
    meta: metaOf(schema),
  }))
  const groups = SETTING_GROUPS.map((group) => {
    const lines = settings.filter(({ meta }) => meta.group === group).map(renderSetting)
    return `## ${group}\n\n${lines.join('\n\n')}`
  })
  return `${HEADER}\n\n${groups.join('\n\n')}\n`
}

function renderSetting({ name, schema, meta }: { name: string; schema: z.ZodType; meta: SettingMeta }): string {
  const fallback = schema instanceof z.ZodDefault ? String(schema.def.defaultValue) : ''
  return `# ${meta.description}${meta.secret ? ' Secret.' : ''}
${name}=${fallback}`
}

function metaOf(schema: z.ZodType): SettingMeta {
  return schema.meta() as unknown as SettingMeta
}
