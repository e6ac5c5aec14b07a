export interface Measured {
  readonly recordsPerSecond: number;
  /** User and system time of the whole process, all threads. */
  readonly cpuMicrosPerRecord: number;
  readonly maxRssMb: number;
  /** From the sending of a record to the receipt of what came of it. */
  readonly latency?: { readonly medianMs: number; readonly p99Ms: number };
}

/** Runs the work once and says what it cost. Start-up of the engine is part of it. `apart`: for how many milliseconds this thread was busy with what is not to be measured. */
export async function measure(records: number, work: () => Promise<void>, apart = () => 0): Promise<Measured> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  const apartMs = apart();
  const seconds = (performance.now() - began - apartMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    recordsPerSecond: records / seconds,
    cpuMicrosPerRecord: (user + system - apartMs * 1_000) / records,
    maxRssMb: process.resourceUsage().maxRSS / 1_024,
  };
}
