import { map } from 'rxjs';
import { dedupe } from '#src/dsl/operators/dedupe.js';
import { process } from '#src/dsl/operators/process.js';
import { to } from '#src/dsl/operators/to.js';
import type { TopologyBuilder } from '#src/dsl/topology-builder.js';
import type { StreamRecord } from '#src/model/record.js';
import type { PolicyName } from '#src/runtime/config/policy.js';
import { serdes } from '#src/serdes/serdes.js';

/** Fails on the value "bad", as often as it is told to, and notes when it was asked. */
export class Fault {
  times: number[] = [];
  left = Number.POSITIVE_INFINITY;
  constructor(private readonly clock: { now(): number }) {}
  check(value: string): string {
    if (value !== 'bad') return value;
    this.times.push(this.clock.now());
    if (this.left-- > 0) throw new Error('no good');
    return value;
  }
}

export type Build = (t: TopologyBuilder, fault: Fault) => void;
export const text = { key: serdes.string, value: serdes.string };
const failing = (fault: Fault) => ({
  name: 'failing',
  encode: (value: string) => Buffer.from(fault.check(value)),
  decode: serdes.string.decode,
});

/** The same fault in each of the places where a record can fail. */
export const places: readonly (readonly [what: string, step: PolicyName, code: string, node: string, build: Build])[] =
  [
    [
      'a value that does not decode',
      'deserialize',
      'DESERIALIZE_FAILED',
      'source in',
      (t, fault) => {
        const value = {
          name: 'failing',
          encode: serdes.string.encode,
          decode: (bytes: Buffer) => fault.check(bytes.toString()),
        };
        t.stream('in', { key: serdes.string, value }).pipe(to('out', text));
      },
    ],
    [
      'a plain RxJS map that throws',
      'process',
      'PROCESS_FAILED',
      'to out',
      (t, fault) => {
        t.stream('in', text).pipe(
          map((record) => ({ ...record, value: fault.check(record.value) })),
          to('out', text),
        );
      },
    ],
    [
      'a function of process() that throws',
      'process',
      'PROCESS_FAILED',
      'process check',
      (t, fault) => {
        t.stream('in', text).pipe(
          process({
            name: 'check',
            process: (record: StreamRecord<string, string>, { forward }) =>
              forward({ ...record, value: fault.check(record.value) }),
          }),
          to('out', text),
        );
      },
    ],
    [
      'an async function of process() that rejects',
      'process',
      'PROCESS_FAILED',
      'process check',
      (t, fault) => {
        t.stream('in', text).pipe(
          process({
            name: 'check',
            process: async (record: StreamRecord<string, string>, { forward }) =>
              forward({ ...record, value: fault.check(record.value) }),
          }),
          to('out', text),
        );
      },
    ],
    [
      'a function that declares the reads of a record and throws',
      'process',
      'PROCESS_FAILED',
      'dedupe seen',
      (t, fault) => {
        t.stream('in', text).pipe(
          dedupe({ store: 'seen', within: '1h', id: (record) => `${record.key}${fault.check(record.value)}` }),
          to('out', text),
        );
      },
    ],
    [
      'a value that cannot be encoded',
      'produce',
      'SERIALIZE_FAILED',
      'to out',
      (t, fault) => {
        t.stream('in', text).pipe(to('out', { key: serdes.string, value: failing(fault) }));
      },
    ],
    [
      'a partition that does not exist',
      'produce',
      'PARTITION_INVALID',
      'to out',
      (t, fault) => {
        const partition = ({ value }: StreamRecord<string, string>): number => {
          try {
            fault.check(value);
            return 0;
          } catch {
            return 5;
          }
        };
        t.stream('in', text).pipe(to('out', { ...text, partition }));
      },
    ],
  ];
