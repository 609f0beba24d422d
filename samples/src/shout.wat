;; Copies stdin to stdout in capitals; exit code 3 when there was nothing to read.
;; Built by scripts/samples.py into samples/wasm_program.json.
(module
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  ;; 0: iovec (pointer, length); 8: count read or written; 1024: a buffer of 4096 bytes

  (func $raise (param $from i32) (param $count i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $from) (local.get $count)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        (if (i32.lt_u (i32.sub (i32.load8_u (local.get $from)) (i32.const 97)) (i32.const 26))
          (then
            (i32.store8 (local.get $from)
              (i32.sub (i32.load8_u (local.get $from)) (i32.const 32)))))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br $next))))

  (func $write_all (param $from i32) (param $count i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (i32.store (i32.const 0) (local.get $from))
        (i32.store (i32.const 4) (local.get $count))
        (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
          (then (call $proc_exit (i32.const 1))))
        (local.set $from (i32.add (local.get $from) (i32.load (i32.const 8))))
        (local.set $count (i32.sub (local.get $count) (i32.load (i32.const 8))))
        (br $next))))

  (func (export "_start")
    (local $count i32)
    (local $total i32)
    (block $done
      (loop $next
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 4096))
        (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))
          (then (call $proc_exit (i32.const 1))))
        (local.set $count (i32.load (i32.const 8)))
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $total (i32.add (local.get $total) (local.get $count)))
        (call $raise (i32.const 1024) (local.get $count))
        (call $write_all (i32.const 1024) (local.get $count))
        (br $next)))
    (if (i32.eqz (local.get $total))
      (then (call $proc_exit (i32.const 3))))))
