import { describe, expect, it } from '@jest/globals'
import type { ApprovalStep, CallResult, DelegationStep, ModelStep, Step, StepStatus, ToolStep } from './journal.js'
import { conversationOf, type MoveRules, nextMove } from './next-move.js'

const BASE = { attempt: 1, startedAt: new Date(0) }
const RULES: MoveRules = {
  startApproval: null,
  policyOf: (tool) =>
    tool === 'missing' ? null : { needsApproval: tool === 'guarded', isIdempotent: tool !== 'once' },
}
const DONE: CallResult = { text: 'done', isError: false }
const GRANTED = { isGranted: true, status: 'approved' as const, comment: null }

const callOf = (tool: string, index = 0) => ({ id: `call_${index}`, name: tool, arguments: { n: index } })

/** A model step at 1 whose answer asks for these tools, in this order. */
function asked(...tools: string[]): ModelStep {
  return answered(1, { text: 'Let me see.', tools })
}

function answered(position: number, { text = 'Here.', tools = [] as string[], repair }: Answer = {}): ModelStep {
  const toolCalls = tools.map((tool, index) => callOf(tool, index))
  const result = { text, toolCalls, citations: [], finishReason: 'stop', model: 'm' }
  const request = repair === undefined ? {} : { repair }
  return { ...BASE, kind: 'model', position, status: 'completed', name: 'm', request, result }
}

interface Answer {
  readonly text?: string
  readonly tools?: string[]
  readonly repair?: string
}

function unanswered(position: number, status: StepStatus = 'running'): ModelStep {
  return { ...BASE, kind: 'model', position, status, name: 'm', request: {}, result: null }
}

function tool(position: number, index: number, end: Partial<ToolStep> = {}, isIdempotent = true): ToolStep {
  const request = { callId: `call_${index}`, arguments: { n: index }, isIdempotent }
  return { ...BASE, kind: 'tool', position, status: 'running', name: 't', request, result: null, ...end }
}

function delegation(position: number, index: number, end: Partial<DelegationStep> = {}): DelegationStep {
  const request = { callId: `call_${index}`, agent: 'developer', task: 'x' }
  const base = { ...BASE, kind: 'delegation' as const, position, status: 'running' as const, name: 'developer' }
  return { ...base, request, result: null, childRunId: 'c', ...end }
}

function approval(
  position: number,
  index: number | null,
  result: ApprovalStep['result'],
  reason: ApprovalStep['request']['reason'] = index === null ? 'run' : 'tool',
): ApprovalStep {
  const request = { reason, callId: index === null ? null : `call_${index}`, argumentsHash: 'h' }
  const status = result ? 'completed' : 'running'
  return { ...BASE, kind: 'approval', position, status, name: 'a', request, result, approvalId: 'p' }
}

const finished = { status: 'completed' as const, result: DONE }

describe('nextMove', () => {
  it.each<[string, Step[], Partial<MoveRules>, object]>([
    ['asks the model where nothing has been done', [], {}, { do: 'call-model', interrupted: null }],
    [
      'repeats a model call that was interrupted, in its place',
      [unanswered(1)],
      {},
      { do: 'call-model', interrupted: 1 },
    ],
    ['ends with an answer that asks for nothing', [answered(1)], {}, { do: 'answer', step: { position: 1 } }],
    [
      'asks a person before anything, when the run must be allowed',
      [],
      { startApproval: 'agent' },
      { do: 'ask-to-start', reason: 'agent' },
    ],
    ['waits for that person', [approval(1, null, null)], { startApproval: 'run' }, { do: 'wait', isForPerson: true }],
    [
      'begins once the run is allowed, and does not ask again',
      [approval(1, null, GRANTED)],
      { startApproval: 'run' },
      { do: 'call-model', interrupted: null },
    ],
    [
      'refuses a run that a person rejects',
      [approval(1, null, { isGranted: false, status: 'rejected', comment: null })],
      { startApproval: 'run' },
      { do: 'refuse', approval: { position: 1 } },
    ],
    [
      'makes all calls of an answer at once',
      [asked('t', 't')],
      {},
      {
        do: 'act',
        due: [
          { call: callOf('t', 0), interrupted: null },
          { call: callOf('t', 1), interrupted: null },
        ],
        toAsk: [],
        unknown: [],
      },
    ],
    [
      'makes a call of a tool that does not exist, which comes to nothing',
      [asked('missing')],
      {},
      { do: 'act', due: [{ interrupted: null }], toAsk: [] },
    ],
    [
      'asks first where the tool says so, and makes the other calls meanwhile',
      [asked('guarded', 't')],
      {},
      { do: 'act', due: [{ call: callOf('t', 1) }], toAsk: [callOf('guarded', 0)] },
    ],
    [
      'waits for who is asked, with all else done',
      [asked('guarded', 't'), tool(2, 1, finished), approval(3, 0, null)],
      {},
      { do: 'wait', isForPerson: true },
    ],
    [
      'makes a call once it is allowed',
      [asked('guarded'), approval(2, 0, GRANTED)],
      {},
      { do: 'act', due: [{ call: callOf('guarded'), interrupted: null }], toAsk: [] },
    ],
    [
      'goes on without a call that is not allowed',
      [asked('guarded'), approval(2, 0, { isGranted: false, status: 'rejected', comment: 'No.' })],
      {},
      { do: 'call-model', interrupted: null },
    ],
    [
      'does not make a finished call again, and makes the one that is left',
      [asked('t', 't'), tool(2, 0, finished)],
      {},
      { do: 'act', due: [{ call: callOf('t', 1), interrupted: null }] },
    ],
    [
      'repeats an interrupted call that may be repeated, in its place',
      [asked('t'), tool(2, 0)],
      {},
      { do: 'act', due: [{ call: callOf('t'), interrupted: 2 }], unknown: [] },
    ],
    [
      'does not repeat one that may not: a person is to say',
      [asked('once'), tool(2, 0, {}, false)],
      {},
      { do: 'act', due: [], unknown: [{ position: 2, call: callOf('once') }] },
    ],
    [
      'believes what the tool said of itself when the call began, not what it says today',
      [asked('once'), tool(2, 0, {}, true)],
      {},
      { do: 'act', due: [{ interrupted: 2 }] },
    ],
    [
      'still is to ask about one whose outcome is unknown, if it died before asking',
      [asked('once'), tool(2, 0, { status: 'outcome_unknown' }, false)],
      {},
      { do: 'act', unknown: [{ position: 2 }] },
    ],
    [
      'waits for the person that was asked about it',
      [asked('once'), tool(2, 0, { status: 'outcome_unknown' }, false), approval(3, 0, null, 'outcome_unknown')],
      {},
      { do: 'wait', isForPerson: true },
    ],
    [
      'repeats it, as a new step, once the person says so',
      [asked('once'), tool(2, 0, { status: 'outcome_unknown' }, false), approval(3, 0, GRANTED, 'outcome_unknown')],
      {},
      { do: 'act', due: [{ interrupted: null }] },
    ],
    [
      'waits for what it has delegated',
      [asked('delegate', 'delegate'), delegation(2, 0, finished), delegation(3, 1)],
      {},
      { do: 'wait', isForPerson: false },
    ],
    [
      'waits for the person where it waits for both',
      [asked('delegate', 'guarded'), delegation(2, 0), approval(3, 1, null)],
      {},
      { do: 'wait', isForPerson: true },
    ],
    [
      'asks the model again when all calls have their results, errors too',
      [
        asked('t', 't'),
        tool(2, 0, finished),
        tool(3, 1, { status: 'failed', result: { text: 'broke', isError: true } }),
      ],
      {},
      { do: 'call-model', interrupted: null },
    ],
    [
      'is not confused by the same call ids in a later answer',
      [asked('t'), tool(2, 0, finished), answered(3, { tools: ['t'] })],
      {},
      { do: 'act', due: [{ call: callOf('t', 0), interrupted: null }] },
    ],
  ])('%s', (_what, steps, rules, expected) => {
    expect(nextMove(steps, { ...RULES, ...rules })).toMatchObject(expected)
  })
})

describe('conversationOf', () => {
  it('is the task, then each answer with the results that it asked for, in its order', () => {
    const steps = [
      asked('t', 'guarded', 't'),
      tool(2, 2, finished),
      approval(3, 1, { isGranted: false, status: 'rejected', comment: 'Too dear.' }),
      tool(4, 0, { status: 'failed', result: { text: 'broke', isError: true } }),
      answered(5, { text: 'So be it.' }),
    ]
    expect(conversationOf(steps, 'Do it.', RULES)).toEqual([
      { role: 'user', text: 'Do it.' },
      { role: 'assistant', text: 'Let me see.', toolCalls: [callOf('t', 0), callOf('guarded', 1), callOf('t', 2)] },
      { role: 'tool', callId: 'call_0', name: 't', text: 'broke', isError: true },
      {
        role: 'tool',
        callId: 'call_1',
        name: 'guarded',
        text: 'A person did not allow this call; it was not made. Comment: Too dear.',
        isError: true,
      },
      { role: 'tool', callId: 'call_2', name: 't', text: 'done', isError: false },
      { role: 'assistant', text: 'So be it.', toolCalls: [] },
    ])
  })

  it('says why an answer had to be given again', () => {
    const steps = [answered(1, { text: '{}' }), answered(2, { text: '{"a":1}', repair: 'a is missing' })]
    expect(conversationOf(steps, 'Do it.', RULES)).toEqual([
      { role: 'user', text: 'Do it.' },
      { role: 'assistant', text: '{}', toolCalls: [] },
      { role: 'user', text: 'a is missing' },
      { role: 'assistant', text: '{"a":1}', toolCalls: [] },
    ])
  })

  it('leaves out calls of models that have not been answered', () => {
    expect(conversationOf([unanswered(1), unanswered(2, 'failed')], 'Do it.', RULES)).toEqual([
      { role: 'user', text: 'Do it.' },
    ])
  })

  it.each([
    ['expired', 'tool', 'Nobody allowed this call in time; it was not made.'],
    [
      'rejected',
      'outcome_unknown',
      'This call was interrupted: whether it took effect is not known. A person did not allow it to be repeated.',
    ],
    [
      'expired',
      'outcome_unknown',
      'This call was interrupted: whether it took effect is not known. Nobody allowed it to be repeated in time.',
    ],
  ] as const)('tells the model of a call that is not allowed (%s, %s)', (status, reason, text) => {
    const steps = [asked('guarded'), approval(2, 0, { isGranted: false, status, comment: null }, reason)]
    expect(conversationOf(steps, 'Do it.', RULES).at(-1)).toMatchObject({ role: 'tool', text, isError: true })
  })
})
