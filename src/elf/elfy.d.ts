/** What bpfvm uses of elfy 1.0.0, which ships no types. Node only: it takes Buffers. */
declare module 'elfy' {
  interface ElfySection {
    name: string;
    off: number;
    size: number;
    link: number;
    info: number;
    data: Uint8Array;
  }

  interface ElfyFile {
    body: { sections: ElfySection[] };
  }

  const elfy: { parse(bytes: Uint8Array): ElfyFile };
  export = elfy;
}
