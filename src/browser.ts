/** The public API of bpfvm without the Node adapters. */
export { BpfVm } from './bpf-vm.js';
export type { BpfVmOptions, CreateMapOptions, EngineName } from './bpf-vm.js';
export { BpfObject } from './object.js';
export type { LoadOptions, ProgramKind } from './object.js';
export { BpfProgram } from './program.js';
export type { ProgramStats } from './program.js';
export { linkCreate, progAttach, progDetach, progQuery } from './attach.js';
export type { GlobalValue } from './globals.js';
export type { KconfigValue } from './object-maps.js';
export { CoreTarget } from './btf/core.js';
export { Btf } from './btf/btf.js';
export { linkObjects, readObject } from './elf/read-object.js';
export type { NamedObject } from './elf/read-object.js';
export type { ExternSpec, GlobalSpec, ObjectSpec, ProgramSpec } from './elf/object-spec.js';
export { builtinTarget } from './elf/builtin-target.js';
export { formatText, formatValue } from './btf/format.js';
export type { FormattedValue } from './btf/format.js';
export { dumpC } from './btf/dump-c.js';
export { AsmError, assemble } from './isa/asm.js';
export { decode, DecodeError } from './isa/decode.js';
export { disassemble } from './isa/disasm.js';
export type { DisasmNames } from './isa/disasm.js';
export type { DecodedProgram } from './isa/insn.js';
export { BpfMap, BPF_ANY, BPF_EXIST, BPF_NOEXIST } from './maps/map.js';
export type { MapSpec } from './maps/map.js';
export { SockMapBase } from './maps/sock-map.js';
export type { SockMapLink } from './maps/sock-progs.js';
export { u32, u64 } from './bytes.js';
export { Net } from './net/net.js';
export { NetSock } from './net/sock.js';
export { TcpSock } from './net/tcp-sock.js';
export { UdpSock } from './net/udp-sock.js';
export { UnixSock } from './net/unix-sock.js';
export { MapType, mapTypeName } from './maps/map-types.js';
export { AttachType, attachTypeName, ProgType, progTypeName } from './progs/prog-types.js';
export {
  AttachError,
  BpfError,
  BpfFault,
  BtfError,
  ElfError,
  Errno,
  ErrnoError,
  errnoName,
  MapError,
  RelocationError,
  SocketError,
  UsageError,
  VerifierError,
} from './errors.js';
export type { ErrnoName, FaultInfo, FaultKind } from './errors.js';
