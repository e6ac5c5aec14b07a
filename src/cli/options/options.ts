import { type Duration, durationMs } from '../../model/duration.js';
import { messageOf } from '../../model/errors.js';
import { ownOf } from '../../model/own.js';
import { type ErrorPolicy, type FinalPolicyName, resolvePolicy } from '../../model/policy/policy.js';
import { show } from '../../model/text/show.js';
import { type ErrorPolicies, POLICY_NAMES } from '../../runtime/config/policy.js';
import { usage } from '../terminal/usage.js';

export const DEFAULT_STATE = '.millrace/state';

const SIZE_UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };
const STEPS: readonly string[] = POLICY_NAMES;
const POLICIES: readonly string[] = ['fail', 'skip', 'deadLetter'] satisfies FinalPolicyName[];

/** Parses the value of an option; `name` is the option as users write it. */
export type Parse<T> = (text: string) => T;

export function wholeNumber(name: string, minimum: number): Parse<number> {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= minimum) return value;
    throw usage(`cannot read ${name}`, show(text), `a whole number of at least ${minimum}`);
  };
}

export function duration(name: string): Parse<Duration> {
  return (text) => {
    try {
      durationMs(text as Duration);
      return text as Duration;
    } catch {
      throw usage(
        `cannot read ${name}`,
        show(text),
        'whole milliseconds as a number and a unit, for example 250ms, 30s or 5m',
      );
    }
  };
}

/** A moment: ISO 8601, UTC without an offset, or milliseconds since (negative: before) the epoch. */
export function moment(name: string): Parse<number> {
  return (text) => {
    const iso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
    // Date.parse reads a time without an offset as local time, which differs between machines.
    const utc = iso?.[1] !== undefined && iso[4] === undefined ? `${text}Z` : text;
    const ms = /^-?\d+$/.test(text) ? Number(text) : iso ? Date.parse(utc) : Number.NaN;
    if (Number.isSafeInteger(ms)) return ms;
    throw usage(
      `cannot read ${name}`,
      show(text),
      'a time such as 2026-01-31T12:00:00Z, or milliseconds since the epoch',
    );
  };
}

/** `64MB` → 67108864. Units are powers of 1024. */
export function size(name: string): Parse<number> {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?)(B|KB|MB|GB)$/i.exec(text);
    const bytes = match
      ? Math.round(Number(match[1]) * (ownOf(SIZE_UNITS, (match[2] as string).toUpperCase()) as number))
      : 0;
    if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
    throw usage(`cannot read ${name}`, show(text), 'a number and a unit, for example 512KB, 64MB or 1GB');
  };
}

/** `5%` → 0.05. */
export function percentage(name: string): Parse<number> {
  return (text) => {
    const share = /^\d+(\.\d+)?%$/.test(text) ? Number(text.slice(0, -1)) / 100 : Number.NaN;
    if (share >= 0 && share <= 1) return share;
    throw usage(`cannot read ${name}`, show(text), 'a share from 0% to 100%, for example 5%');
  };
}

export interface InputFile {
  readonly topic: string;
  readonly file: string;
}

/** `TOPIC=FILE.jsonl`, any number of times. */
export function inputFiles(text: string, previous: readonly InputFile[] | undefined): readonly InputFile[] {
  const at = text.indexOf('=');
  if (at <= 0 || at === text.length - 1) throw usage('cannot read --input', show(text), 'TOPIC=FILE.jsonl');
  return [...(previous ?? []), { topic: text.slice(0, at), file: text.slice(at + 1) }];
}

/** An option that may be given several times. */
export const several = (text: string, previous: readonly string[] | undefined): readonly string[] => [
  ...(previous ?? []),
  text,
];

/**
 * `STEP=POLICY`: the steps and policies of `onError`; `retry:3:100ms:skip` retries three times, 100 ms apart,
 * then skips. A policy may also be JSON, as in a configuration.
 */
export function errorPolicies(text: string, previous: ErrorPolicies | undefined): ErrorPolicies {
  const [, step = '', policy = ''] = /^([^=]*)=(.*)$/.exec(text) ?? [];
  if (!STEPS.includes(step))
    throw usage('cannot read --on-error', show(text), `STEP=POLICY, where STEP is one of ${STEPS.join(', ')}`);
  return { ...previous, [step]: errorPolicy(policy) };
}

function errorPolicy(text: string): ErrorPolicy {
  if (POLICIES.includes(text)) return text as FinalPolicyName;
  if (text.startsWith('{')) return policyOfJson(text);
  const [word, retry = '', backoff = '', then = '', ...rest] = text.split(':');
  if (word === 'retry' && /^\d+$/.test(retry) && POLICIES.includes(then) && rest.length === 0) {
    return { retry: Number(retry), backoff: duration('--on-error')(backoff), then: then as FinalPolicyName };
  }
  throw usage(
    'cannot read the policy of --on-error',
    show(text),
    `${POLICIES.join(', ')}, or retry:TIMES:PAUSE:POLICY, for example retry:3:100ms:skip`,
  );
}

function policyOfJson(text: string): ErrorPolicy {
  let policy: ErrorPolicy;
  try {
    policy = JSON.parse(text);
  } catch (error) {
    throw usage(
      'cannot read the policy of --on-error',
      messageOf(error),
      '{ "retry": 3, "backoff": …, "then": "skip" }',
    );
  }
  resolvePolicy(policy, '--on-error');
  return policy;
}
