import type { Socket } from 'node:net';
import { ERROR_CODES, type ErrorCode, isStreamsError, messageOf, StreamsError } from '../model/errors.js';
import { encodeMessage, type Message, MessageReader } from './messages.js';

/** What a call returns: a value that is JSON, and bytes. */
export interface Answer {
  readonly value?: unknown;
  readonly parts?: readonly Buffer[];
}

/** Answers a call of the other process. What it throws is thrown there. */
export type Handler = (method: string, input: unknown, parts: readonly Buffer[]) => Promise<Answer> | Answer;

/** The connection has ended, and nobody knows whether the call was carried out. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** The head of a message, by its kind: a call, a call without an answer, an answer, an error. */
type Head =
  | readonly [kind: 'call', id: number, method: string, input: unknown]
  | readonly [kind: 'tell', id: 0, method: string, input: unknown]
  | readonly [kind: 'answer', id: number, value: unknown]
  | readonly [kind: 'error', id: number, error: SentError];

interface SentError {
  readonly code?: ErrorCode;
  readonly problem: string;
  readonly action: string;
  readonly list: readonly string[];
}

interface Waiting {
  readonly resolve: (answer: Required<Answer>) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One side of a connection between two processes of a machine. Both sides may call each other. Calls begin in
 * the order in which they were made; their answers come in any order.
 */
export class Peer {
  readonly #socket: Socket;
  readonly #handler: Handler;
  readonly #waiting = new Map<number, Waiting>();
  readonly #reader = new MessageReader();
  /** Messages that have arrived: a sign of life. */
  received = 0;
  #next = 1;
  #error: Error | undefined;
  #end!: () => void;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed = new Promise<void>((resolve) => {
    this.#end = resolve;
  });

  constructor(socket: Socket, handler: Handler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('close', () => this.#lost());
  }

  /** Why the connection has ended, if that is known. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Calls the other side. Rejects with its error, or with {@link ConnectionLost}. */
  call(method: string, input: unknown = null, parts: readonly Buffer[] = []): Promise<Required<Answer>> {
    if (!this.#socket.writable) return Promise.reject(this.#lostError());
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ head: ['call', id, method, input], parts });
    });
  }

  /** Calls the other side without an answer. Does nothing once the connection has ended. */
  tell(method: string, input: unknown = null, parts: readonly Buffer[] = []): void {
    if (this.#socket.writable) this.#send({ head: ['tell', 0, method, input], parts });
  }

  /** Calls without an answer yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves when the other side has read what was sent; undefined if little is left. */
  drained(): Promise<unknown> | undefined {
    if (!this.#socket.writableNeedDrain) return undefined;
    return Promise.race([new Promise((resolve) => this.#socket.once('drain', resolve)), this.closed]);
  }

  /** Ends the connection after everything that was sent. Resolves when it has ended. */
  async end(): Promise<void> {
    this.#socket.end();
    await this.closed;
  }

  /** Ends the connection at once. */
  destroy(error?: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }

  #send(message: Message & { readonly head: Head }): void {
    this.#socket.cork();
    for (const bytes of encodeMessage(message)) this.#socket.write(bytes);
    this.#socket.uncork();
  }

  #receive(chunk: Buffer): void {
    try {
      for (const { head, parts } of this.#reader.push(chunk)) {
        this.received++;
        this.#take(head as Head, parts);
      }
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #take(head: Head, parts: readonly Buffer[]): void {
    const [kind, id, first, second] = Array.isArray(head) ? head : [];
    if (kind === 'call' || kind === 'tell') void this.#answer(id as number, String(first), second, parts);
    else {
      const waiting = this.#waiting.get(id as number);
      this.#waiting.delete(id as number);
      if (kind === 'answer') waiting?.resolve({ value: first, parts });
      else waiting?.reject(received(first as SentError));
    }
  }

  async #answer(id: number, method: string, input: unknown, parts: readonly Buffer[]): Promise<void> {
    let message: Message & { readonly head: Head };
    try {
      const answer = await this.#handler(method, input, parts);
      message = { head: ['answer', id, answer.value ?? null], parts: answer.parts ?? [] };
    } catch (error) {
      message = { head: ['error', id, sent(error)], parts: [] };
    }
    if (id > 0 && this.#socket.writable) this.#send(message);
  }

  #lost(): void {
    const error = this.#lostError();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#end();
  }

  #lostError(): ConnectionLost {
    return new ConnectionLost('the connection to the other process has ended', { cause: this.#error });
  }
}

/** An error as the other side gets it: its code, its texts, and the lines of its list. */
function sent(error: unknown): SentError {
  if (!isStreamsError(error)) return { problem: messageOf(error), action: '', list: [] };
  const list = error.message.split('\n  - ').slice(1);
  return { code: error.code, problem: error.problem, action: error.action, list };
}

function received({ code, problem, action, list }: SentError): Error {
  if (code === undefined || !Object.hasOwn(ERROR_CODES, code)) return new Error(problem);
  return new StreamsError(code, { what: problem, action, list });
}
