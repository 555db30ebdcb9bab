/** What a statement does, as far as metrics tell statements apart. */
export type QueryClass = 'select' | 'insert' | 'update' | 'delete' | 'other'

export const QUERY_CLASSES: readonly QueryClass[] = ['select', 'insert', 'update', 'delete', 'other']

const FIRST_WORD = /^(?:\s|--[^\n]*\n|\()*([a-z]+)/i
/** `DO UPDATE SET` and `FOR UPDATE` name no table, and are no writes of their own. */
const FIRST_WRITE = /[\s(](?:(insert)\s+into|(delete)\s+from|(update)\s+[\w."]+\s+(?:(?:as\s+)?\w+\s+)?set)\s/i

/** Of one statement. One that begins with WITH is what it writes first, else a select. */
export function queryClassOf(text: string): QueryClass {
  const word = FIRST_WORD.exec(text)?.[1]?.toLowerCase()
  if (word === 'with') {
    const [, ...writes] = FIRST_WRITE.exec(text) ?? []
    return toClass(writes.find((write) => write !== undefined) ?? 'select')
  }
  return toClass(word)
}

/** Of statements that are answered together: that of the first that writes. */
export function leadingClass(classes: readonly QueryClass[]): QueryClass {
  const write = classes.find((one) => one !== 'select' && one !== 'other')
  return write ?? classes[0] ?? 'other'
}

function toClass(word: string | undefined): QueryClass {
  return QUERY_CLASSES.find((one) => one === word?.toLowerCase()) ?? 'other'
}
