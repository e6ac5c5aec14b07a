import type { Logger } from '#src/model/ports.js';

/** A logger that remembers what it was told, as `level: message`. */
export class ToldLogger implements Logger {
  readonly lines: string[] = [];

  debug(_fields: object, message: string): void {
    this.lines.push(`debug: ${message}`);
  }

  info(_fields: object, message: string): void {
    this.lines.push(`info: ${message}`);
  }

  warn(_fields: object, message: string): void {
    this.lines.push(`warn: ${message}`);
  }

  error(_fields: object, message: string): void {
    this.lines.push(`error: ${message}`);
  }
}
