import { expect } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Budget } from '../../src/modules/costs/budgets/budgets.schemas.js'
import { eventually } from '../support/eventually.js'
import type { Requester } from '../support/test-api-key.js'
import type { TestApp } from '../support/test-app.js'
import { RunLab } from '../runs/run-lab.js'

/** A US dollar a token of output, and nothing for input: the worst of a call is its `maxTokens`. */
export const DOLLAR_A_WORD = 'openai/words'
/** Costs the same. */
export const ANOTHER = 'openai/other-words'
/** A US dollar a token, of input as well. */
export const DOLLAR_A_TOKEN = 'openai/tokens'
export const FREE = 'openai/free'
export const UNPRICED = 'openai/unheard-of'

const PRICES = JSON.stringify({
  [DOLLAR_A_WORD]: { inputUsdPerMillion: '0', outputUsdPerMillion: '1000000' },
  [ANOTHER]: { inputUsdPerMillion: '0', outputUsdPerMillion: '1000000' },
  [DOLLAR_A_TOKEN]: { inputUsdPerMillion: '1000000', outputUsdPerMillion: '1000000' },
  [FREE]: { inputUsdPerMillion: '0', outputUsdPerMillion: '0' },
})

/** A lab whose models cost round sums. */
export async function startBudgetLab(
  options: Parameters<typeof RunLab.start>[0] = {},
): Promise<RunLab & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'temponest-budgets-'))
  const file = join(folder, 'prices.json')
  await writeFile(file, PRICES)
  const env = { MODEL_PRICES_FILE: file, DEFAULT_MODEL: DOLLAR_A_WORD, MODEL_MAX_RETRIES: '0', ...options.env }
  const lab = await RunLab.start({ ...options, env })
  await rm(folder, { recursive: true })
  return lab
}

export function postBudget(user: Requester, fields: object = {}) {
  const payload = { scope: 'tenant', period: 'month', limitUsd: '10', ...fields }
  return user.request({ method: 'POST', url: '/v1/costs/budgets', payload })
}

export async function addBudget(user: Requester, fields: object = {}): Promise<Budget> {
  const response = await postBudget(user, fields)
  if (response.statusCode !== 201) throw new Error(`adding a budget failed: ${response.body}`)
  return response.json()
}

export async function getBudget(user: Requester, { id }: { id: string }): Promise<Budget> {
  const response = await user.request({ url: `/v1/costs/budgets/${id}` })
  if (response.statusCode !== 200) throw new Error(`getting a budget failed: ${response.body}`)
  return response.json()
}

export function patchBudget(user: Requester, { id }: { id: string }, payload: object) {
  return user.request({ method: 'PATCH', url: `/v1/costs/budgets/${id}`, payload })
}

export function deleteBudget(user: Requester, { id }: { id: string }) {
  return user.request({ method: 'DELETE', url: `/v1/costs/budgets/${id}` })
}

/** The budget once nothing is reserved any more. */
export function whenSettled(user: Requester, budget: { id: string }): Promise<Budget> {
  return eventually(
    () => getBudget(user, budget),
    ({ reservedUsd }) => reservedUsd === '0',
  )
}

/**
 * What must be true of all counters at any moment: spent is what is booked, reserved is what is reserved, and no hard budget is
 * overspent, or promised twice.
 */
export async function expectExactCounters(app: TestApp): Promise<void> {
  const wrong = await app.sql(
    `SELECT b.scope, b.target, b.period, b.limit_usd, p.period_start, p.spent_usd, raw.spent, p.reserved_usd, held.reserved
       FROM budget_periods p
       JOIN budgets b ON b.tenant_id = p.tenant_id AND b.id = p.budget_id
      CROSS JOIN LATERAL (SELECT coalesce((SELECT timezone FROM cost_policies WHERE tenant_id = b.tenant_id), 'UTC') AS name) AS zone
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.cost_usd), 0) AS spent FROM cost_tracking c
         WHERE c.tenant_id = b.tenant_id
           AND (b.period = 'total' OR date_trunc(b.period, c.created_at, zone.name) = p.period_start)
           AND b.target = CASE b.scope WHEN 'tenant' THEN '' WHEN 'project' THEN c.project_id::text WHEN 'agent' THEN c.agent
                          ELSE c.api_key_id::text END) AS raw
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(r.amount_usd), 0) AS reserved FROM budget_reservations r
         WHERE r.tenant_id = b.tenant_id AND r.budget_id = b.id AND r.period_start = p.period_start) AS held
      WHERE p.spent_usd <> raw.spent OR p.reserved_usd <> held.reserved OR p.reserved_usd < 0`,
  )
  expect(wrong).toEqual([])
}
