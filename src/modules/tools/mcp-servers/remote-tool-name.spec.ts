import { describe, expect, it } from '@jest/globals'
import { remoteToolName } from './remote-tool-name.js'

describe('remoteToolName', () => {
  it.each([
    ['crm', 'find_customer', 'crm_find_customer'],
    ['my-crm', 'a.b/c d', 'my-crm_a_b_c_d'],
    ['crm', 'ünï', 'crm__n_'],
    ['s'.repeat(40), 't'.repeat(23), `${'s'.repeat(40)}_${'t'.repeat(23)}`],
  ])('calls %s of %s what a model may call it', (server, tool, name) => {
    expect(remoteToolName(server, tool)).toBe(name)
  })

  it('keeps long names apart that begin alike', () => {
    const names = ['a', 'b'].map((end) => remoteToolName('crm', `${'t'.repeat(100)}${end}`))
    expect(new Set(names).size).toBe(2)
    for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9_-]{64}$/)
  })
})
