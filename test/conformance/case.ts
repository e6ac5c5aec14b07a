import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** The vectors that come with the repository: what Apache Kafka Streams 4.3.1 makes of small topologies. */
export const VECTORS = join('test', 'conformance', 'vectors');

export type Json = any;

/** A function of the vectors' table, by name. */
export interface FunctionCall {
  readonly fn: string;
  readonly arg?: Json;
}

export interface Op {
  readonly op: string;
  readonly [parameter: string]: Json;
}

export interface Pipeline {
  readonly from: string;
  readonly name?: string;
  readonly ops?: readonly Op[];
}

export interface SourceSpec {
  readonly kind: 'stream' | 'table' | 'globalTable';
  readonly timestampFrom?: string;
  readonly store?: string;
  readonly versionedHistoryMs?: number;
}

export type InputStep =
  | { readonly topic: string; readonly key: string | null; readonly value: Json; readonly timestamp: number }
  | { readonly advanceWallClockMs: number };

/** A record that came out in a step: on a topic, or seen by a peek (which has no timestamp). */
export interface Emitted {
  readonly step: number;
  readonly topic?: string;
  readonly peek?: string;
  readonly key: Json;
  readonly value: Json;
  readonly timestamp?: number;
}

export type Rows = readonly (readonly [key: Json, value: Json])[];

export interface Case {
  readonly name: string;
  readonly description: string;
  readonly compare: 'exact' | 'topic' | 'step' | 'multiset';
  readonly quirk?: string;
  readonly sources: Readonly<Record<string, SourceSpec>>;
  readonly topology: readonly Pipeline[];
  readonly input: readonly InputStep[];
  readonly expected: readonly Emitted[];
  readonly stores: Readonly<Record<string, Rows>>;
}

export interface Group {
  readonly name: string;
  readonly cases: readonly Case[];
}

/** Reads every group of a directory, in the order of their names. */
export function loadGroups(directory: string = VECTORS): readonly Group[] {
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  if (files.length === 0) throw new Error(`there are no vectors in ${directory}`);
  return files.sort().map((file) => {
    const { format, cases } = JSON.parse(readFileSync(join(directory, file), 'utf8'));
    if (format !== 1 || !Array.isArray(cases)) throw new Error(`${file}: saw format ${format}, expected 1`);
    return { name: basename(file, '.json'), cases };
  });
}
