/**
 * Layout of the memory through which the main thread gives work to the pool's: Int32 words, then the kernel's arguments as Float64. A job is
 * a kernel and a range cut into chunks, which threads claim one after another.
 */
export const JOB = {
  /** Low 8 bits: the next chunk to claim, 255 while a job is written; the rest: the job's number. Claimed by compare and exchange. */
  ticket: 0,
  /** Chunks done. */
  done: 1,
  /** Index of the kernel; −1 ends the thread. */
  kernel: 2,
  /** Length of the range. */
  count: 3,
  /** At most 254. */
  chunks: 4,
  /** Elements of a chunk: chunk i is [i · size, min(count, (i + 1) · size)). */
  size: 5,
  argumentCount: 6,
  /** Index of the argument that `stride` is added to once a chunk (an own piece of scratch memory); −1 for none. */
  strided: 7,
  stride: 8,
  /** Not 0 when a thread failed. */
  failed: 9,
  /** Where the arguments start, in bytes; there is room for 32. */
  arguments: 64,
  bytes: 320,
} as const;
