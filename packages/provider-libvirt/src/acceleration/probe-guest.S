# The smallest guest that proves hardware virtualization: a boot sector that goes from real mode to 64-bit long mode with paging on,
# as every stock guest does, runs there for a while at full speed, and then says so on the first serial port.
#
# Where /dev/kvm opens but guests do not start, it stays silent. There are also hosts whose KVM interprets such guests instruction by
# instruction (a KVM for paravirtual guests only, as inside some cloud machines): a stock guest then seems to hang in its boot loader.
# The loop below takes a tenth of a second on hardware, a second when QEMU emulates, and minutes there: only the first words come.
#
# probe-guest.ts holds the assembled bytes; probe-guest.test.ts assembles this file again and compares. To change it:
#   as --32 -o probe-guest.o probe-guest.S && objcopy -O binary -j .text probe-guest.o probe-guest.bin && base64 -w 100 probe-guest.bin

        .set    load_address, 0x7c00            # where the BIOS puts a boot sector
        .set    pml4, 0x1000                    # three tables of 4 KiB each, one below the other
        .set    pdpt, 0x2000
        .set    pd, 0x3000
        .set    serial_data, 0x3f8
        .set    serial_line_status, 0x3fd

        .text
        .code16
start:
        cli
        cld
        ljmp    $0, $load_address + (real - start) # some BIOSes enter at 07c0:0000
real:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $load_address, %sp

        # Map the first 2 MiB onto itself.
        movl    $pml4, %edi
        movl    %edi, %cr3
        xorl    %eax, %eax
        movl    $(3 * 4096 / 4), %ecx
        rep stosl
        movl    $(pdpt + 3), pml4               # present, writable
        movl    $(pd + 3), pdpt
        movl    $0x83, pd                       # present, writable, a page of 2 MiB

        # https://cdrdv2.intel.com/v1/dl/getContent/671447, 10.8.5 "Initializing IA-32e Mode"
        movl    %cr4, %eax
        orl     $0x20, %eax                     # CR4.PAE
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx               # IA32_EFER
        rdmsr
        orl     $0x100, %eax                    # EFER.LME
        wrmsr
        lgdtl   load_address + (gdt_pointer - start)
        movl    %cr0, %eax
        orl     $0x80000001, %eax               # CR0.PG, CR0.PE
        movl    %eax, %cr0
        ljmp    $8, $load_address + (long - start)

        .code64
long:
        movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $load_address, %esp             # also clears what the BIOS left above 16 bits
        movl    $load_address + (begun - start), %esi
        call    print
        movl    $100000000, %ecx
loop:
        decl    %ecx
        jnz     loop
        movl    $load_address + (alive - start), %esi
        call    print
done:
        hlt
        jmp     done

print:                                          # the string at %rsi, up to its NUL
        lodsb
        testb   %al, %al
        jz      printed
        movb    %al, %bl
wait:
        movw    $serial_line_status, %dx
        inb     %dx, %al
        testb   $0x20, %al                      # transmitter empty
        jz      wait
        movw    $serial_data, %dx
        movb    %bl, %al
        outb    %al, %dx
        jmp     print
printed:
        ret

begun:
        .asciz  "\r\nVIVARIUM-GUEST-BEGUN\r\n"
alive:
        .asciz  "VIVARIUM-GUEST-ALIVE\r\n"

        .balign 8
gdt:
        .quad   0
        .quad   0x00af9a000000ffff              # 8: code, 64-bit
        .quad   0x00cf92000000ffff              # 16: data
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   load_address + (gdt - start)

        .org    510
        .word   0xaa55                          # makes it a boot sector
