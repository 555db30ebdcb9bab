/** Too common in English to say what a sentence is about; the fragments are what contractions leave (`don't`, `it's`). */
const STOP_WORDS = new Set(
  (
    'a about all also am an and any are as at be because been being but by can could did do does doing for from had has ' +
    'have having he her here hers him his how i if in into is it its just me more most my no nor not of on or other our ours out ' +
    'over own please she should so some such than that the their theirs them then there these they this those through ' +
    'to too under up us very was we were what when where which while who whom whose why will with would you your yours ' +
    'd didn doesn don isn ll m re s t ve wasn won'
  ).split(' '),
)

/** One character a word in scripts that write without spaces; elsewhere a run of letters, marks and digits. */
const WORD = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Thai}]|[\p{L}\p{M}\p{N}]+/gu
const MIN_PLURAL_CHARACTERS = 4
const CHANGES_THE_MEANING = /\p{N}|^(?:no|not|never|none|nor|without|cannot|t)$/u

/** The words of `text` in order, in lower case and compatibility form, plurals folded into singulars. */
export function wordsOf(text: string): string[] {
  return (text.normalize('NFKC').toLowerCase().match(WORD) ?? []).map(singular)
}

export function isStopWord(word: string): boolean {
  return STOP_WORDS.has(word)
}

/** Whether two sentences that differ in this word alone may contradict each other: a negation or a number. */
export function changesTheMeaning(word: string): boolean {
  return CHANGES_THE_MEANING.test(word)
}

/** Harman's S-stemmer (How effective is suffixing?, JASIS 1991): three rules, plurals only, so words stay words. */
function singular(word: string): string {
  if (word.length < MIN_PLURAL_CHARACTERS || !word.endsWith('s') || STOP_WORDS.has(word)) return word
  if (/[^ea]ies$/.test(word)) return `${word.slice(0, -3)}y`
  if (/[^aeo]es$/.test(word)) return word.slice(0, -1)
  return /[^us]s$/.test(word) ? word.slice(0, -1) : word
}
