import { isDeepStrictEqual } from 'node:util';
import type { Observable, Subscription } from 'rxjs';
import type { GraphEdge } from '../../graph/graph.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import { isHeaders } from '../../model/headers.js';
import { isMoment, MOMENT } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import { sameKey } from '../common/ids.js';
import type { AnyRecord, AnySerde, Input, PushScope, Receiver } from '../contract/processor.js';
import type { Windows } from '../windows/windows.js';
import { type Consumer, type PathMark, type Rekey, withConsumer } from './ambient.js';
import { thrownUnder } from './own-errors.js';
import { asRows } from './plain-rows.js';

/** One path from an upper node down to an input, and the operators on it. */
export interface TracedPath {
  readonly from: string;
  readonly through: readonly PathMark[];
  /** The records that arrive are changes of a table. */
  readonly table: boolean;
  /**
   * Operators of other libraries are on the path. They may have dropped changes, or altered what is known of
   * the rows.
   */
  readonly plain: boolean;
  /** The last key change on the path. */
  readonly rekey: Rekey | undefined;
  /** The serde of the arriving keys, if known. */
  readonly key: AnySerde | undefined;
  /** The windows of the arriving keys, if known. */
  readonly window: Windows | undefined;
}

/**
 * A node's subscription to its piped input: it traces the paths to the nodes above, then delivers records.
 */
export class TracedInput implements Input, Consumer {
  readonly node: string;
  readonly port: number;
  readonly paths: TracedPath[] = [];
  readonly #observable: Observable<AnyRecord>;
  readonly #scope: PushScope;
  readonly #checkKey: boolean;
  readonly #marks: PathMark[] = [];
  readonly #from = new Set<string>();
  #receiver: Receiver | undefined;
  #refused = false;
  #rows = false;
  #subscription: Subscription | undefined;

  constructor(options: {
    node: string;
    port: number;
    observable: Observable<AnyRecord>;
    scope: PushScope;
    checkKey: boolean;
  }) {
    this.node = options.node;
    this.port = options.port;
    this.#observable = options.observable;
    this.#scope = options.scope;
    this.#checkKey = options.checkKey;
    this.#subscribe();
  }

  /** Whether something on the path has been refused. */
  get refused(): boolean {
    return this.#refused;
  }

  connect(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  disconnect(): void {
    this.#subscription?.unsubscribe();
  }

  through(mark: PathMark): void {
    this.#marks.push(mark);
  }

  leave(): void {
    this.#marks.pop();
  }

  refuse(error: Error): void {
    if (this.#refused) return;
    this.#refused = true;
    this.#scope.fail(error);
  }

  reached({ node, table, key, rekey: before, window }: Parameters<Consumer['reached']>[0]): void {
    this.#from.add(node);
    // Marks are collected from the input upwards; the path reads from the origin down.
    const through = this.#marks.filter((mark) => !mark.plain).reverse();
    const isTable = table !== undefined && !through.some((mark) => mark.toStream);
    const rekey = this.#marks.find((mark) => mark.rekey)?.rekey;
    this.paths.push({
      from: node,
      through,
      table: isTable,
      plain: this.#marks.some((mark) => mark.plain),
      rekey: rekey ?? before,
      key: rekey ? rekey.key : key,
      window: rekey ? undefined : window,
    });
  }

  /**
   * True once the first subscription has found plain operators after a table. It is then subscribed again.
   */
  get rows(): boolean {
    return this.#rows;
  }

  /** Whether plain operators follow a table, on a single path or where several paths meet. */
  get isPlainTable(): boolean {
    return this.paths.some(({ table, plain }) => table && plain);
  }

  /** The edges to this node in the graph, without duplicates. */
  get edges(): readonly GraphEdge[] {
    const edges: GraphEdge[] = [];
    for (const { from, through: marks } of this.paths) {
      const edge = edgeOf(marks, { from, to: this.node, port: this.port });
      if (!edges.some((known) => isDeepStrictEqual(known, edge))) edges.push(edge);
    }
    return edges;
  }

  #subscribe(): void {
    // Each subscription collects the paths again, and there is a new subscription after each error.
    this.paths.length = 0;
    withConsumer(this, () => {
      this.#subscription = asRows(this.#observable).subscribe({
        next: (record) => this.#next(record),
        error: (error: unknown) => this.#error(error),
        complete: () => this.#complete(),
      });
    });
    if (this.#rows || this.#refused || this.paths.length > 1 || !this.isPlainTable) return;
    this.#rows = true;
    this.disconnect();
    this.#subscribe();
  }

  #next(record: AnyRecord): void {
    const scope = this.#scope;
    if (!scope.pushing) return scope.fail(lateEmission(this.node));
    if (!this.#from.has(scope.from)) return scope.fail(hiddenEdge(this.node, scope.from));
    const wrong = this.#wrongWith(record);
    if (wrong !== undefined) this.#receiver?.error(wrong, scope.index, undefined);
    else this.#receiver?.next(record, scope.index);
  }

  /**
   * Returns what is wrong with a record, or undefined. The record may be any value, so this must not throw:
   * RxJS would rethrow the error where nothing catches it, and the process would end.
   */
  #wrongWith(record: AnyRecord): unknown {
    try {
      if (!isMoment(record?.timestamp)) return noRecord(this.node, record);
      if (!isHeaders(record.headers)) return noHeaders(this.node, record.headers);
      const { key } = this.#scope;
      if (!this.#checkKey || Object.is(record.key, key) || this.#isSameKey(record.key, key)) return undefined;
      return keyChanged(this.node, key, record.key);
    } catch (error) {
      return error ?? new Error('undefined was thrown');
    }
  }

  /** Whether a copy of a key is equivalent to the key: it has the same bytes. */
  #isSameKey(a: unknown, b: unknown): boolean {
    const { from } = this.#scope;
    const serde = this.paths.find((path) => path.from === from)?.key;
    return serde ? sameKey(serde, a, b) : isDeepStrictEqual(a, b);
  }

  /**
   * A completed input would drop all later records silently. During declaration no error is needed: an input
   * that has completed leads to no stream.
   */
  #complete(): void {
    if (this.#scope.pushing) this.#scope.fail(ended(this.node));
  }

  #error(error: unknown): void {
    const scope = this.#scope;
    // The error has already been reported. It arrives here again if nothing caught it.
    if (this.#refused) return;
    if (!scope.pushing) return scope.fail(error instanceof Error ? error : new Error(messageOf(error)));
    const own = thrownUnder(error);
    // An error ends an RxJS subscription. A new subscription protects the records before and after a bad one.
    this.#subscribe();
    this.#receiver?.error(error, scope.index, own);
  }
}

function edgeOf(marks: readonly PathMark[], ends: Pick<GraphEdge, 'from' | 'to' | 'port'>): GraphEdge {
  const through = marks.map(({ label }) => label);
  const hasPolicy = marks.some(({ onError }) => onError !== undefined);
  return { ...ends, through, ...(hasPolicy && { onError: marks.map(({ onError = null }) => onError) }) };
}

const noRecord = (node: string, record: unknown): StreamsError => {
  const isObject = typeof record === 'object' && record !== null;
  return new StreamsError('PROCESS_FAILED', {
    what: isObject
      ? 'an operator emitted a record without a usable timestamp'
      : 'an operator emitted something that is not a record',
    at: `node ${node}`,
    saw: isObject ? `the timestamp ${show((record as Partial<AnyRecord>).timestamp)}` : show(record),
    expected: isObject ? MOMENT : 'a record with key, value, timestamp and headers',
    action: 'Change values with mapValues(), or copy the record: map((record) => ({ ...record, value })).',
  });
};

const noHeaders = (node: string, headers: unknown): StreamsError =>
  new StreamsError('PROCESS_FAILED', {
    what: 'an operator emitted a record without headers',
    at: `node ${node}`,
    saw: show(headers),
    expected: 'Headers, for example Headers.none',
    action: 'Change values with mapValues(), or copy the record: map((record) => ({ ...record, value })).',
  });

const lateEmission = (node: string): StreamsError =>
  new StreamsError('LATE_EMISSION', {
    what: 'an operator emitted a record asynchronously, not while it received one',
    at: `node ${node}`,
    saw: 'an asynchronous RxJS operator (delay, debounceTime, mergeMap with a promise, startWith, …) before it',
    expected: 'operators that emit synchronously',
    action: 'Use process() with an async function or a timer instead.',
  });

const ended = (node: string): StreamsError =>
  new StreamsError('TOPOLOGY_INVALID', {
    what: 'an operator ended the stream',
    at: `node ${node}`,
    saw: 'an RxJS operator that completes (take, takeWhile, first, find, every, elementAt, …) before it',
    expected: 'streams that never end',
    action: 'Use filter(), or process() with a store to count what has passed.',
  });

const hiddenEdge = (node: string, from: string): StreamsError =>
  new StreamsError('TOPOLOGY_INVALID', {
    what: 'a record came by a path that did not exist when the topology was drawn',
    at: `node ${node}`,
    saw: `a record of ${from}`,
    action:
      'Remove share(), publish() or another multicasting operator: a stream may be piped more than once as it is.',
  });

const keyChanged = (node: string, before: unknown, after: unknown): StreamsError =>
  new StreamsError('KEY_CHANGED', {
    what: 'a plain operator changed the key of a record',
    at: `node ${node}`,
    saw: `key ${show(after)}`,
    expected: `key ${show(before)}`,
    action: 'Change keys with selectKey() or groupBy(), so that equal keys meet in one partition again.',
  });
