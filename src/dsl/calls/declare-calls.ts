import type { Observable } from 'rxjs';
import { messageOf, StreamsError } from '../../model/errors.js';
import { isNotReady } from '../../model/not-ready.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import { whenGiven } from '../contract/policy-options.js';
import type { ProcessorSpec } from '../contract/processor.js';
import type { AnyRecord, AnySerde } from '../contract/push.js';
import type { Declaring } from '../declare/declaring.js';
import type { CallOptions } from './call-options.js';
import { Calling, type CallingOptions, outcomesOf } from './calling.js';
import { pendingStore } from './pending-calls.js';

interface Declared
  extends Pick<CallingOptions, 'operator' | 'name' | 'calls' | 'onFailure' | 'passOn' | 'passOnProblem'> {
  // biome-ignore lint/suspicious/noExplicitAny: the operator's signature has the types
  readonly options: CallOptions<any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly run: (record: any, context: Parameters<CallingOptions['run']>[1]) => unknown;
  /** The serde of what the function returns. Undefined: it returns nothing. */
  readonly result?: AnySerde;
}

/** The declaration of an operator that calls: its store of pending calls, and its input of outcomes. */
export function declareCalls(
  current: Declaring,
  source: Observable<unknown>,
  { operator, name, options, calls, onFailure, run, result, passOn, passOnProblem }: Declared,
): ProcessorSpec {
  const { request: value = serdes.json(), id } = options;
  const inherited = current.inspect(source as Observable<AnyRecord>).key;
  // Bound here, because the operator itself writes the record inside its row.
  const request = current.bound({ key: inherited, value }, 'store', `${name}-pending`);
  const results: Serde<unknown> | undefined =
    result && current.bound({ key: inherited, value: result }, 'store', `${name}-outcomes`).value;
  return {
    operator,
    name,
    stores: [pendingStore(name, request)],
    keyed: calls.ordered,
    takesNullKeys: true,
    repartitions: [name],
    asksOrigin: true,
    internalInputs: [outcomesOf(name)],
    ...whenGiven(options),
    ...(result && onFailure !== 'value' && { emitsValue: result }),
    create: (context) =>
      new Calling(context, {
        ...{ operator, name, calls, onFailure, request, id, run },
        ...(results && { result: nullable(results) }),
        ...(passOn && { passOn }),
        ...(passOnProblem && { passOnProblem }),
      }),
  };
}

/** Null passes as it is, and a serde never sees it. */
const nullable = (serde: Serde<unknown>): NonNullable<CallingOptions['result']> => ({
  encode: (value) => (value === null ? null : written(serde, value)),
  decode: (bytes) => bytes && serde.decode(bytes),
});

function written(serde: Serde<unknown>, value: unknown): Buffer {
  try {
    if (value === undefined) throw new Error('saw undefined, expected a value or null');
    return serde.encode(value);
  } catch (error) {
    if (isNotReady(error)) throw error;
    throw new StreamsError('SERIALIZE_FAILED', {
      what: `what the function returned cannot be written: ${messageOf(error)}`,
      action: 'Return what the serde in value can write.',
      cause: error,
    });
  }
}
