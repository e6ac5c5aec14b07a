import { plainText } from '../../model/text/plain-text.js';
import type { EventInfo, StateChange, Trace, TraceStep } from '../../replay/index.js';
import { toJson } from '../terminal/show.js';

/** A value on one line; a missing value is a dash. */
const shown = (value: unknown): string => (value === null || value === undefined ? '-' : toJson(value));

const position = ({ topic, partition, offset }: EventInfo): string => `${topic}[${partition}]@${offset}`;

/** `payments[0]@42, event id e7, 2026-03-01T12:00:00.000Z`. */
export const eventText = (event: EventInfo): string =>
  [
    position(event),
    ...(event.eventId === null ? [] : [`event id ${plainText(event.eventId)}`]),
    new Date(event.timestamp).toISOString(),
  ].join(', ');

/** A change as lines of text. */
export function changeText(change: StateChange): string {
  const { event, store, key, partition, before, value, records } = change;
  return [
    `event    ${eventText(event)}, record ${records} of the history`,
    `key      ${shown(event.key)}`,
    `value    ${shown(event.value)}`,
    `row      ${store} ${shown(key)}, partition ${partition}`,
    `before   ${shown(before)}`,
    `after    ${shown(value)}`,
  ].join('\n');
}

/** The path of a record, one line per step. */
export function traceText({ event, records, steps }: Trace): string {
  const lines = [`${eventText(event)}, record ${records} of the history`];
  let task = '';
  for (const step of steps) {
    if (step.task !== task) lines.push(`  task ${step.task}`);
    task = step.task;
    lines.push(plainText(`    ${stepText(step)}`));
  }
  if (steps.length === 0) lines.push('  no effect: no operator received it');
  return lines.join('\n');
}

function stepText(step: TraceStep): string {
  const what = step.what.padEnd(8);
  switch (step.what) {
    case 'in':
    case 'process':
    case 'out':
      return `${what} ${step.node}: ${shown(step.key)} = ${shown(step.value)}`;
    case 'stopped': {
      const through = step.through.length > 0 ? ` (through ${step.through.join(', ')})` : '';
      return `${what} between ${step.from} and ${step.to}${through}: the record did not pass`;
    }
    case 'read':
    case 'write':
      return `${what} ${step.store}: ${shown(step.key)} = ${shown(step.value)}`;
    case 'kept':
      return `${what} ${step.node}: emitted nothing`;
    case 'counted':
      return `${what} ${step.node}: ${step.reason}`;
    case 'effect':
      return `${what} ${step.node}: skipped, with the idempotency key ${step.idempotencyKey}`;
    case 'sent':
      return `${what} ${step.node}: to ${step.topic}[${step.partition}], ${shown(step.key)} = ${shown(step.value)}`;
  }
}
