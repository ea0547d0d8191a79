/** What can be seen of a machine without starting anything on it. */
export interface Machine {
  /** Node's name of the system ("linux", "darwin", "win32"), or "browser". */
  readonly platform: string;
  /** What a start takes unless it is told otherwise. */
  readonly threads: number;
  /** Whether there is a GPU that an engine of tfjs could use: NVIDIA's on Node, any in a browser. */
  readonly gpu: boolean;
  /** Whether the package koffi is installed. */
  readonly koffi: boolean;
  /** Whether the system installs libraries with apt-get. */
  readonly apt: boolean;
}
