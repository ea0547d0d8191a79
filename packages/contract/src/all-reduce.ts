/**
 * One rank's end of a group of processes or workers that train together. Every rank of the group makes the same calls in the same order;
 * who starts the group and ends it makes this object, too.
 */
export interface AllReduce {
  /** This rank, from 0. */
  readonly rank: number;
  /** Ranks of the group; 1 is a group, too. */
  readonly size: number;
  /**
   * Replaces every element by its sum over all ranks, in place. The sums have the same bits on every rank, so that weights stay equal.
   *
   * @param arrays as many as on every other rank, each as long as the others' there; none is read or written by the caller until the
   * promise settles
   * @throws KdError (the promise rejects) `KD_SHAPE` when ranks bring other lengths, `KD_BACKEND` when a rank is lost
   */
  sum(arrays: readonly Float32Array[]): Promise<void>;
}
