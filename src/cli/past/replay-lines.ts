import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Declaration, Topology } from '../../dsl/contract/processor.js';
import { checkName } from '../../model/names.js';
import type { PastOptions, ReplayedRecord, SilencedEffect } from '../../replay/index.js';
import { keyForm } from '../../serdes/key-form.js';
import { serdesOf } from '../load/declared.js';
import { type Io, write } from '../terminal/io.js';
import { recordLines, type ShownSerdes, toJson } from '../terminal/show.js';
import { pastSerdes } from './past.js';

/** The file of skipped calls. */
const EFFECTS = '_effects';
/** Kafka's limit. */
const LONGEST_TOPIC = 249;

/** Writes the outputs of a replay as JSON lines: to standard output, or to one file per topic. */
export class ReplayLines {
  readonly #io: Io;
  readonly #directory: string | undefined;
  readonly #serdes = new Map<string, ShownSerdes | undefined>();
  readonly #files = new Map<string, FileHandle>();
  readonly #declaration: Declaration;

  private constructor(declaration: Declaration, directory: string | undefined, io: Io) {
    this.#declaration = declaration;
    this.#directory = directory;
    this.#io = io;
  }

  /**
   * Creates the files of all sinks at once, so that an earlier replay's file cannot be mistaken for this
   * one's.
   */
  static async open(
    topology: Topology,
    past: PastOptions,
    { directory, io }: { readonly directory: string | undefined; readonly io: Io },
  ): Promise<ReplayLines> {
    const lines = new ReplayLines(
      await pastSerdes(topology, past).declare(topology),
      directory && resolve(io.cwd, directory),
      io,
    );
    if (directory === undefined) return lines;
    await mkdir(resolve(io.cwd, directory), { recursive: true });
    for (const node of topology.graph.nodes) {
      if (node.kind === 'sink' && node.topic !== null) await lines.#file(node.topic);
      if (node.kind === 'processor' && node.operator === 'effect') await lines.#file(EFFECTS);
    }
    return lines;
  }

  async write(records: readonly ReplayedRecord[]): Promise<void> {
    const byTopic = new Map<string, string[]>();
    for (const record of records) {
      const name = this.#directory === undefined ? '' : record.topic;
      const lines = byTopic.get(name) ?? [];
      byTopic.set(name, lines);
      lines.push(await this.#line(record));
    }
    for (const [topic, lines] of byTopic) {
      if (this.#directory === undefined) await write(this.#io.stdout, lines.join(''));
      else await (await this.#file(topic)).write(lines.join(''));
    }
  }

  /** Writes skipped calls: among the outputs, or to `_effects.jsonl`. */
  async silenced(effects: readonly SilencedEffect[]): Promise<void> {
    const lines = effects.map(({ node, idempotencyKey, key, value, source }) => {
      const at = `${source.topic}[${source.partition}]@${source.offset}`;
      return `${toJson({ silenced: node, idempotencyKey, key: keyForm(undefined, key), value, source: at })}\n`;
    });
    if (this.#directory === undefined) await write(this.#io.stdout, lines.join(''));
    else await (await this.#file(EFFECTS)).write(lines.join(''));
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.close();
  }

  async #line(record: ReplayedRecord): Promise<string> {
    const { topic, source } = record;
    if (!this.#serdes.has(topic)) this.#serdes.set(topic, serdesOf(this.#declaration, topic));
    const line = await recordLines([record], this.#serdes.get(topic));
    return `${line.slice(0, -2)},"source":"${source.topic}[${source.partition}]@${source.offset}"}\n`;
  }

  async #file(topic: string): Promise<FileHandle> {
    const known = this.#files.get(topic);
    if (known) return known;
    // A function of the topology may have taken the name from a past record.
    checkName('topic', topic, LONGEST_TOPIC);
    const path = join(this.#directory as string, `${topic}.jsonl`);
    // Replaces the file of an earlier replay; also replaces a link, instead of following it.
    await rm(path, { force: true });
    const file = await open(path, 'wx');
    this.#files.set(topic, file);
    return file;
  }
}
