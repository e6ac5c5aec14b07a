import type { MembershipOptions } from '../../port.js';
import { BytesReader, BytesWriter } from './bytes.js';

/**
 * The bytes of the "consumer" protocol of groups, version 0. With it, Kafka's own tools can describe our
 * groups, and the broker learns which topics a group reads (it keeps their offsets). The runtime's own data
 * travels as user data; partitions are not assigned here.
 */
const VERSION = 0;
/** Name and version of the format of the runtime's data: see {@link MembershipOptions.olderMetadata}. */
const PROTOCOL = 'millrace-2';
const OLDER_PROTOCOL = 'millrace';

/**
 * The protocols that a joining member supports: the broker selects the first one that all members support.
 */
export function protocolsOf({
  topics,
  metadata,
  olderMetadata,
}: Pick<MembershipOptions, 'topics' | 'metadata' | 'olderMetadata'>): readonly {
  readonly name: string;
  readonly metadata: Buffer;
}[] {
  const older = olderMetadata?.();
  const told = { name: PROTOCOL, metadata: encodeSubscription(topics, metadata()) };
  return older ? [told, { name: OLDER_PROTOCOL, metadata: encodeSubscription(topics, older) }] : [told];
}

export const encodeSubscription = (topics: readonly string[], userData: Buffer): Buffer => {
  const to = new BytesWriter();
  return to
    .int16(VERSION)
    .array(topics, (topic) => to.string(topic))
    .bytes(userData).written;
};

export const encodeAssignment = (userData: Buffer): Buffer =>
  new BytesWriter()
    .int16(VERSION)
    .array([], () => undefined)
    .bytes(userData).written;

/** The user data of a subscription. */
export function decodeSubscription(bytes: Buffer): Buffer {
  const from = new BytesReader(bytes);
  from.int16();
  from.array(() => from.string());
  return from.bytes() ?? NOTHING;
}

/** The user data of an assignment; empty for a member that was left out. */
export function decodeAssignment(bytes: Buffer): Buffer {
  if (bytes.length === 0) return NOTHING;
  const from = new BytesReader(bytes);
  from.int16();
  from.array(() => [from.string(), from.array(() => from.int32())]);
  return from.bytes() ?? NOTHING;
}

const NOTHING = Buffer.alloc(0);
