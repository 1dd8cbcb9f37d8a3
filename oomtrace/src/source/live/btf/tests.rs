//! What is looked up, against another reader of the same file: the running kernel's BTF, and those below `OOMTRACE_BTF`
//! (a folder), such as the guests' kernels'.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use btf_rs::{Btf, BtfType, Type as Reference};

use super::{
    super::{hooks, layout, layout::VMLINUX_BTF},
    Bytes, Found, Raw, Type, Types, kind,
};

/// Files to look at; none where the kernel has no BTF.
fn corpus() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        Path::new(VMLINUX_BTF).exists().then(|| VMLINUX_BTF.into()).into_iter().collect();
    if let Some(folder) = std::env::var_os("OOMTRACE_BTF") {
        files.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    files
}

/// Of how many structs one is compared: all of them when files were given, which takes a minute in a debug build.
fn step() -> usize {
    if std::env::var_os("OOMTRACE_BTF").is_some() { 1 } else { 16 }
}

/// Every struct that has a name, every member that can be asked for by name, with the reference's answer.
#[test]
fn every_member_of_every_struct_is_where_another_reader_finds_it() {
    for file in corpus() {
        let types = Types::read(&file, &[]).unwrap();
        let reference = Btf::from_file(&file).unwrap();
        let mut seen = BTreeSet::new();
        let mut compared = 0;
        for id in 1.. {
            let Ok(of) = reference.resolve_type_by_id(id) else { break };
            let Reference::Struct(of) = of else { continue };
            let name = reference.resolve_name(&of).unwrap();
            // The first one of a name is the one that is found.
            if name.is_empty() || !seen.insert(name.clone()) || !seen.len().is_multiple_of(step()) {
                continue;
            }
            assert_eq!(types.raw.structure(&name), types.raw.by_id(id), "{name}");
            let mut members = BTreeSet::new();
            for member in &of.members {
                let member_name = reference.resolve_name(member).unwrap();
                if member_name.is_empty() || !members.insert(member_name.clone()) {
                    continue;
                }
                assert!(types.has_member(&name, &member_name));
                let bits = member.bitfield_size().unwrap_or(0);
                let found = types.member(&name, &member_name);
                if bits > 0 {
                    assert_eq!(found, None, "{name}.{member_name}");
                    continue;
                }
                let found = found.unwrap();
                assert_eq!(found.offset, member.bit_offset() / 8, "{name}.{member_name}");
                same(&types, found, &reference, stripped(&reference, member));
                compared += 1;
            }
            assert!(!types.has_member(&name, "no_such_member"));
        }
        assert!(compared > 10_000 / step(), "{}: {compared} members", file.display());
    }
}

fn stripped(reference: &Btf, of: &dyn BtfType) -> Reference {
    let mut kind = reference.resolve_chained_type(of).unwrap();
    loop {
        kind = match &kind {
            Reference::Typedef(t) => reference.resolve_chained_type(t).unwrap(),
            Reference::Volatile(t) | Reference::Const(t) | Reference::Restrict(t) => {
                reference.resolve_chained_type(t).unwrap()
            }
            Reference::TypeTag(t) => reference.resolve_chained_type(t).unwrap(),
            _ => return kind,
        };
    }
}

/// What a member is: its kind, its size, for an array its length, for a pointer what is behind it.
fn same(types: &Types, found: Found, reference: &Btf, expected: Reference) {
    let Found { kind: Type(at), .. } = found;
    let of = types.raw.kind(at);
    match expected {
        Reference::Struct(t) => {
            assert_eq!((of, types.size(found.kind)), (kind::STRUCT, u32::try_from(t.size()).ok()));
        }
        Reference::Union(t) => {
            assert_eq!((of, types.size(found.kind)), (kind::UNION, u32::try_from(t.size()).ok()));
        }
        Reference::Array(t) => {
            assert_eq!(of, kind::ARRAY);
            let element = stripped(reference, &t);
            let size = match &element {
                Reference::Struct(t) | Reference::Union(t) => Some(t.size()),
                Reference::Int(t) => Some(t.size()),
                Reference::Enum(t) => Some(t.size()),
                Reference::Ptr(_) => Some(8),
                _ => None,
            };
            let found = types.array(found.kind).map(|(_, size, count)| (size as usize, count as usize));
            assert_eq!(found, size.map(|size| (size, t.len())));
        }
        Reference::Ptr(t) => {
            assert_eq!(of, kind::PTR);
            let target = stripped(reference, &t);
            let behind = types.pointee(found.kind);
            assert_eq!(behind.is_none(), matches!(target, Reference::Void));
            if let (Some(behind), Reference::Struct(target)) = (behind, target) {
                assert_eq!(types.size(behind), u32::try_from(target.size()).ok());
            }
        }
        _ => assert_eq!(types.size(found.kind), None),
    }
}

#[test]
fn enumerators_and_functions_are_those_that_another_reader_finds() {
    let functions = hooks::functions();
    for file in corpus() {
        let types = Types::read(&file, &functions).unwrap();
        let reference = Btf::from_file(&file).unwrap();
        for (index, name) in functions.iter().enumerate() {
            let ids = reference.resolve_ids_by_name(name).unwrap_or_default();
            let function = |&id: &u32| matches!(reference.resolve_type_by_id(id), Ok(Reference::Func(_)));
            let expected = ids.into_iter().find(function);
            let found = types.functions().iter().find(|&&(known, _)| known == index).map(|&(_, id)| id);
            assert_eq!(found, expected, "{name}");
        }
        let mut seen = BTreeSet::new();
        for id in 1.. {
            let Ok(of) = reference.resolve_type_by_id(id) else { break };
            let Reference::Enum(of) = of else { continue };
            let name = reference.resolve_name(&of).unwrap();
            if name.is_empty() || !seen.insert(name.clone()) {
                continue;
            }
            let expected: Vec<(String, u32)> = of
                .members
                .iter()
                .map(|member| (reference.resolve_name(member).unwrap(), member.val()))
                .collect();
            assert_eq!(types.all_enumerators(&name), expected, "{name}");
            if let [.., (last, value)] = &expected[..] {
                assert_eq!(types.enumerators(Some(&name), [last]), Some([*value]));
            }
        }
        assert!(seen.len() > 500);
        assert_eq!(types.enumerators(None, ["MM_FILEPAGES", "no_such_enumerator"]), None);
    }
}

/// The whole of what start-up asks for can be answered here.
#[test]
fn a_kernels_layout_is_found() {
    for file in corpus() {
        let kernel = layout::read(&file, &["out_of_memory", "no_such_function"]).unwrap();
        assert!(kernel.functions.id("out_of_memory").is_some());
        assert_eq!(kernel.functions.id("no_such_function"), None);
    }
}

/// Damage is an error or an answer, never a panic.
#[test]
fn damaged_files_do_no_harm() {
    let Some(file) = corpus().into_iter().next() else { return };
    let whole = std::fs::read(file).unwrap();
    let ask = |bytes: Vec<u8>| {
        let Ok(raw) = Raw::read(Bytes::Read(bytes), &["out_of_memory"]) else { return };
        let types = Types { raw };
        for path in ["mm", "signal", "comm", "cgroups.no", "thread_node.next"] {
            let _ = types.member("task_struct", path);
        }
        let _ = types.member("mem_cgroup", "memory.usage").and_then(|found| types.array(found.kind));
        let _ = types.all_enumerators("cgroup_subsys_id");
        let _ = types.enumerators(None, ["MM_FILEPAGES"]);
    };
    for len in [0, 1, 23, 24, 25, 4096, whole.len() / 2, whole.len() - 1] {
        ask(whole[..len].to_vec());
    }
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20 {
        let mut bytes = whole.clone();
        for _ in 0..1000 {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        // The first fields are checked on their own above: what follows has to be reached.
        bytes[..24].copy_from_slice(&whole[..24]);
        ask(bytes);
    }
}
