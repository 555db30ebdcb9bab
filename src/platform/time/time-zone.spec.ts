import { describe, expect, it } from '@jest/globals'
import { canonicalTimeZone, isTimeZone } from './time-zone.js'

describe('canonicalTimeZone', () => {
  it.each([
    ['UTC', 'UTC'],
    ['utc', 'UTC'],
    ['europe/berlin', 'Europe/Berlin'],
    ['AMERICA/PORT-AU-PRINCE', 'America/Port-au-Prince'],
    ['america/argentina/buenos_aires', 'America/Argentina/Buenos_Aires'],
    ['etc/gmt+2', 'Etc/GMT+2'],
  ])('writes %s as the database does', (name, canonical) => {
    expect(canonicalTimeZone(name)).toBe(canonical)
  })

  it('keeps a link', () => {
    expect(['Europe/Kiev', 'Europe/Kyiv', 'Asia/Calcutta', 'US/Pacific'].map(canonicalTimeZone)).toEqual([
      'Europe/Kiev',
      'Europe/Kyiv',
      'Asia/Calcutta',
      'US/Pacific',
    ])
  })

  it("knows every zone of the runtime's database", () => {
    const zones = Intl.supportedValuesOf('timeZone')
    expect(zones.map(canonicalTimeZone)).toEqual(zones)
  })

  it.each([
    '',
    ' ',
    '+02:00',
    '-05',
    'Z',
    'GMT+2',
    'Europe/Nowhere',
    'Europe',
    'IST',
    'UTC ',
    'Europe/Berlin[x]',
    'é',
    'a'.repeat(1000),
  ])('knows no zone "%s"', (name) => {
    expect([canonicalTimeZone(name), isTimeZone(name)]).toEqual([null, false])
  })
})
