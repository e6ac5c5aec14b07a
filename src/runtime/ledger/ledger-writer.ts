import type { Broker, Writer } from '../../broker/port.js';
import type { Clock } from '../../model/ports.js';
import { ledgerRecord, type NewLedgerEntry } from './ledger-entry.js';
import { ensureLedger } from './ledger-topic.js';

/**
 * Writes entries to the ledger of an application, in their order. An entry may be written twice if the broker
 * does not answer, as its reader sees: the last entry about each thing counts.
 */
export class LedgerWriter {
  readonly #writer: Writer;
  readonly #clock: Clock;

  private constructor(
    readonly topic: string,
    writer: Writer,
    clock: Clock,
  ) {
    this.#writer = writer;
    this.#clock = clock;
  }

  /** Creates the ledger if it is missing. Errors: TOPIC_FOREIGN, TOPIC_MISMATCH, and those of the broker. */
  static async open(broker: Broker, applicationId: string, clock: Clock): Promise<LedgerWriter> {
    const topic = await ensureLedger(broker.admin, applicationId);
    return new LedgerWriter(topic, await broker.createWriter(), clock);
  }

  /** Resolves when the broker has the entries. Errors: CONFIG_INVALID, and those of the broker. */
  async write(entries: readonly NewLedgerEntry[]): Promise<void> {
    const now = this.#clock.now();
    await this.#writer.write(entries.map((entry) => ledgerRecord(this.topic, entry, now)));
    await this.#writer.flush();
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }
}
