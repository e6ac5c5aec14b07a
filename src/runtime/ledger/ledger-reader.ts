import type { Broker } from '../../broker/port.js';
import { type LedgerEntry, type LedgerRecord, parseLedgerRecord } from './ledger-entry.js';
import { findLedger } from './ledger-topic.js';
import { readRange } from './read-range.js';

export interface LedgerOptions {
  readonly broker: Broker;
  readonly applicationId: string;
  /** Ends the reading with STOPPED. */
  readonly signal?: AbortSignal | undefined;
}

export interface ReadLedgerOptions extends LedgerOptions {
  /** Called for each record that is no entry: damaged, or of a format that this version does not know. */
  readonly onDamaged?: (record: { readonly offset: number; readonly why: string }) => void;
}

/**
 * The entries of the ledger of an application, oldest first, up to its current end; none if there is no
 * ledger yet. The broker may have removed entries that later ones about the same thing replace.
 *
 * It streams: memory holds one poll. Errors: TOPIC_FOREIGN, STOPPED, and those of the broker.
 *
 * ```ts no-run
 * for await (const entry of readLedger({ broker, applicationId: 'payments' }))
 *   console.log(entry.time, entry.actor, entry.what, entry.key, entry.reason);
 * ```
 */
export async function* readLedger(options: ReadLedgerOptions): AsyncGenerator<LedgerEntry> {
  for await (const record of ledgerRecords(options)) {
    if (record.kind === 'entry') yield record.entry;
    else if (record.kind === 'damaged') options.onDamaged?.(record);
  }
}

/** Every record of a ledger, also those that are no entries. */
export async function* ledgerRecords({
  broker,
  applicationId,
  signal,
}: LedgerOptions): AsyncGenerator<LedgerRecord, void> {
  const ledger = await findLedger(broker.admin, applicationId);
  if (!ledger) return;
  const at = [{ topic: ledger.name, partition: 0 }];
  const [[first], [end]] = await Promise.all([broker.admin.earliestOffsets(at), broker.admin.latestOffsets(at)]);
  const range = { topic: ledger.name, partition: 0, from: first?.offset ?? 0, to: end?.offset ?? 0 };
  for await (const records of readRange(broker, range, signal)) yield* records.map(parseLedgerRecord);
}
