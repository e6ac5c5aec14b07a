import { pino } from 'pino';
import type { Logger } from '../../model/ports.js';
import { plainJson, plainText } from '../../model/text/plain-text.js';
import { coloured, type Io, write } from './io.js';
import type { StatusLine } from './status-line.js';

const COLOURS = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red' } as const;

/** Logs to standard error: short lines on a terminal, JSON lines otherwise. */
export function createLogger(io: Io, options: { readonly verbose: boolean; readonly status: StatusLine }): Logger {
  const print = io.stderr.isTTY
    ? (line: string) => options.status.above(shortLine(io, line))
    : (line: string) => void write(io.stderr, `${plainJson(line.trimEnd())}\n`);
  return pino(
    {
      level: options.verbose ? 'debug' : 'info',
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${new Date(io.clock.now()).toISOString()}"`,
    },
    { write: print },
  );
}

/** `12:34:56Z info  running tasks=4` */
function shortLine(io: Io, json: string): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as {
    level: keyof typeof COLOURS;
    time: string;
    msg: string;
  };
  const rest = Object.entries(fields).map(([name, value]) =>
    plainText(`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`),
  );
  const details = rest.length === 0 ? '' : ` ${coloured(io, io.stderr, 'gray', rest.join(' '))}`;
  return `${time.slice(11, 19)}Z ${coloured(io, io.stderr, COLOURS[level], level.padEnd(5))} ${plainText(msg)}${details}\n`;
}
