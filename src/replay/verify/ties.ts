import type { BrokerRecord } from '../../broker/port.js';
import type { Random } from '../../model/ports.js';

/** Whether records of a group can be reordered: those of one partition cannot. */
export const isMixed = (records: readonly BrokerRecord[]): boolean =>
  records.some(({ topic, partition }) => topic !== records[0]?.topic || partition !== records[0]?.partition);

/** Lengths of the groups of consecutive records with equal times. */
export function tieGroups(times: readonly number[]): readonly number[] {
  const groups: number[] = [];
  for (const [i, time] of times.entries()) {
    if (i > 0 && times[i - 1] === time) groups[groups.length - 1] = (groups.at(-1) ?? 0) + 1;
    else groups.push(1);
  }
  return groups;
}

/** The records with each group interleaved in another way; records of one partition keep their order. */
export function permuteTies(
  records: readonly BrokerRecord[],
  groups: readonly number[],
  random: Random,
): readonly BrokerRecord[] {
  const permuted: BrokerRecord[] = [];
  let at = 0;
  for (const length of groups) {
    permuted.push(...interleave(records.slice(at, at + length), random));
    at += length;
  }
  return permuted;
}

function interleave(records: readonly BrokerRecord[], random: Random): readonly BrokerRecord[] {
  const lanes = new Map<string, BrokerRecord[]>();
  for (const record of records) {
    const name = `${record.topic}:${record.partition}`;
    const lane = lanes.get(name);
    if (lane) lane.push(record);
    else lanes.set(name, [record]);
  }
  // The last partition goes first, which guarantees another order than the merged one, even with two
  // partitions.
  const left = [...lanes.values()].reverse();
  const mixed: BrokerRecord[] = [];
  while (left.length > 0) {
    const place = mixed.length === 0 ? 0 : Math.floor(random() * left.length);
    const lane = left[place] as BrokerRecord[];
    mixed.push(lane.shift() as BrokerRecord);
    if (lane.length === 0) left.splice(place, 1);
  }
  return mixed;
}
