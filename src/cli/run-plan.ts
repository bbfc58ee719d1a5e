/** What `bpfvm run` attaches where: from section names and --attach to a list of attachments. */
import { UsageError } from '../errors.js';
import type { BpfObject, ProgramKind } from '../object.js';
import type { BpfMap } from '../maps/map.js';
import { MAP_TYPES, mapTypeName } from '../maps/map-types.js';
import type { BpfProgram } from '../program.js';
import { ATTACH_TYPE_NAMES, AttachType, attachTypeName, ProgType } from '../progs/prog-types.js';

/** One `--attach [FILE:]PROG=TYPE@MAP`. */
export interface AttachRequest {
  readonly file?: string;
  readonly program: string;
  readonly attachType: AttachType;
  readonly map?: string;
}

export interface Attachment {
  readonly object: BpfObject;
  readonly program: BpfProgram;
  readonly attachType: AttachType;
  readonly map: BpfMap;
}

/** Short forms beside libbpf's names. */
const ALIASES: Readonly<Record<string, AttachType>> = {
  stream_parser: AttachType.SkSkbStreamParser,
  stream_verdict: AttachType.SkSkbStreamVerdict,
  skb_verdict: AttachType.SkSkbVerdict,
  msg_verdict: AttachType.SkMsgVerdict,
  sk_msg: AttachType.SkMsgVerdict,
};

const PROG_TYPE_OF: ReadonlyMap<AttachType, ProgType> = new Map<AttachType, ProgType>([
  [AttachType.SkSkbStreamParser, ProgType.SkSkb],
  [AttachType.SkSkbStreamVerdict, ProgType.SkSkb],
  [AttachType.SkSkbVerdict, ProgType.SkSkb],
  [AttachType.SkMsgVerdict, ProgType.SkMsg],
  [AttachType.CgroupSockOps, ProgType.SockOps],
]);

/** @throws UsageError where the text has not the form, or names no attach type of sockets. */
export function parseAttach(text: string): AttachRequest {
  const match = /^(?:([^:=@]+):)?([^:=@]+)=([^@]+)(?:@(.+))?$/.exec(text);
  if (match === null) {
    throw new UsageError('ERR_BPF_USAGE_ATTACH', `--attach ${text}`, {
      hint: 'the form is [FILE:]PROG=TYPE@MAP, e.g. prog.o:parser=sk_skb_stream_parser@sock_map',
    });
  }
  const [, file, program, typeText, map] = match;
  const index = ATTACH_TYPE_NAMES.indexOf(typeText.toLowerCase().replace(/^bpf_/, ''));
  const attachType: AttachType | undefined = ALIASES[typeText] ?? (index < 0 ? undefined : index);
  if (attachType === undefined || !PROG_TYPE_OF.has(attachType)) {
    const names = [...PROG_TYPE_OF.keys()].map(attachTypeName);
    throw new UsageError('ERR_BPF_USAGE_ATTACH', `--attach ${text}: no attach type "${typeText}"`, {
      hint: `types: ${names.join(', ')}`,
    });
  }
  return {
    program,
    attachType,
    ...(file === undefined ? {} : { file }),
    ...(map === undefined ? {} : { map }),
  };
}

/** Program types that --attach gives to the programs of one object whose sections say nothing. */
export function typesFor(
  objectName: string,
  requests: readonly AttachRequest[],
): Record<string, ProgramKind> {
  const types: Record<string, ProgramKind> = {};
  for (const request of requests) {
    if (!isFile(objectName, request.file)) continue;
    const progType = PROG_TYPE_OF.get(request.attachType)!;
    types[request.program] = { progType, attachType: request.attachType };
  }
  return types;
}

/** `--attach` may name an object by its file name, with or without `.o` or `.bpf.o`. */
function isFile(objectName: string, file: string | undefined): boolean {
  if (file === undefined) return true;
  const base = file.split(/[\\/]/).at(-1)!;
  return [objectName, objectName.replace(/\.o$/, ''), objectName.replace(/(\.bpf)?\.o$/, '')].includes(base);
}

const isSockMap = (map: BpfMap): boolean => MAP_TYPES[map.type]?.holdsSockets === true;

/** The maps that `--map` means: a name first, else a type; without it all socket maps. */
export function chooseMaps(objects: readonly BpfObject[], names: readonly string[]): BpfMap[] {
  const all = objects.flatMap((object) => [...object.maps.values()]);
  if (names.length === 0) return all.filter(isSockMap);
  return [...new Set(names.map((name) => chooseMap(all, name)))];
}

function chooseMap(all: readonly BpfMap[], name: string): BpfMap {
  const wanted = name.toLowerCase().replace(/^bpf_map_type_/, '');
  const found = all.find((map) => map.name === name) ?? all.find((map) => mapTypeName(map.type) === wanted);
  if (found === undefined) {
    const list = all.map((map) => `${map.name} (${mapTypeName(map.type)})`).join(', ');
    throw new UsageError('ERR_BPF_USAGE_NO_MAP', `--map ${name}: no map of that name or type`, {
      hint: list === '' ? 'the object has no maps' : `maps: ${list}`,
    });
  }
  if (!isSockMap(found)) {
    throw new UsageError(
      'ERR_BPF_USAGE_MAP_TYPE',
      `--map ${name}: ${found.name} has type ${mapTypeName(found.type)}`,
      {
        hint: 'sockets go into maps of type sockmap or sockhash',
      },
    );
  }
  return found;
}

export interface Plan {
  readonly attachments: readonly Attachment[];
  /** Programs of socket types that were left out because their place is taken. */
  readonly left: readonly { readonly program: BpfProgram; readonly reason: string }[];
}

/** What the requests say, then what the section names say where no request named the program. */
export function planAttachments(
  objects: readonly BpfObject[],
  requests: readonly AttachRequest[],
  target: BpfMap | undefined,
): Plan {
  const attachments = requests.map((request) => resolveRequest(objects, request, target));
  refuseDoubles(attachments);
  const requested = new Set(attachments.map((attachment) => attachment.program));
  const left: { program: BpfProgram; reason: string }[] = [];
  for (const object of objects) {
    const hasParser = [...object.programs.values()].some(
      (program) => program.expectedAttachType === AttachType.SkSkbStreamParser,
    );
    for (const program of object.programs.values()) {
      if (requested.has(program)) continue;
      const attachType = attachTypeOf(program, hasParser);
      if (attachType === undefined || target === undefined) continue;
      const taken = attachments.find(
        (other) => other.map === target && excludes(other.attachType, attachType),
      );
      if (taken === undefined) attachments.push({ object, program, attachType, map: target });
      else
        left.push({
          program,
          reason: `${taken.program.name} is attached as ${attachTypeName(taken.attachType)}`,
        });
    }
  }
  return { attachments, left };
}

/** A slot that two requests name would silently keep the second. @throws UsageError */
function refuseDoubles(attachments: readonly Attachment[]): void {
  for (const [index, one] of attachments.entries()) {
    const other = attachments.find(
      (b, at) => at > index && b.map === one.map && excludes(b.attachType, one.attachType),
    );
    if (other === undefined) continue;
    const slots = `${attachTypeName(one.attachType)} and ${attachTypeName(other.attachType)}`;
    throw new UsageError(
      'ERR_BPF_USAGE_ATTACH',
      `--attach: ${one.program.name} and ${other.program.name} at map ${one.map.name}: ${slots}`,
      { hint: 'a map has one program of a kind, and either a stream verdict or an skb verdict' },
    );
  }
}

/** A slot takes one program; a stream verdict and an skb verdict exclude each other. */
function excludes(a: AttachType, b: AttachType): boolean {
  const isVerdict = (type: AttachType): boolean =>
    type === AttachType.SkSkbStreamVerdict || type === AttachType.SkSkbVerdict;
  return a === b || (isVerdict(a) && isVerdict(b));
}

/** `SEC("sk_skb")` names no attach type: a verdict, of streams where the object has a parser. */
function attachTypeOf(program: BpfProgram, hasParser: boolean): AttachType | undefined {
  if (program.progType === ProgType.SkMsg) return AttachType.SkMsgVerdict;
  if (program.progType !== ProgType.SkSkb) return undefined;
  if (PROG_TYPE_OF.has(program.expectedAttachType)) return program.expectedAttachType;
  return hasParser ? AttachType.SkSkbStreamVerdict : AttachType.SkSkbVerdict;
}

function resolveRequest(
  objects: readonly BpfObject[],
  request: AttachRequest,
  target: BpfMap | undefined,
): Attachment {
  const candidates = objects.filter((object) => isFile(object.name, request.file));
  const object = candidates.find((candidate) => candidate.programs.has(request.program));
  if (object === undefined) {
    const names = candidates.flatMap((candidate) => [...candidate.programs.keys()]);
    throw new UsageError('ERR_BPF_USAGE_NO_PROGRAM', `--attach: no program "${request.program}"`, {
      hint: names.length === 0 ? 'no object matches' : `programs: ${names.join(', ')}`,
    });
  }
  const maps = objects.flatMap((candidate) => [...candidate.maps.values()]);
  const map = request.map === undefined ? target : chooseMap(maps, request.map);
  if (map === undefined) {
    throw new UsageError('ERR_BPF_USAGE_ATTACH', `--attach: ${request.program}: no map given`, {
      hint: 'add @MAP or --map MAP',
    });
  }
  return { object, program: object.program(request.program), attachType: request.attachType, map };
}
