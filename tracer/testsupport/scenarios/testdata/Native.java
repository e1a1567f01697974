import java.io.FileOutputStream;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.Deflater;

/** Leaks memory outside of the heap, as is asked for: deflater, direct or unsafe. */
public class Native {
    static final List<Object> kept = new ArrayList<>();
    static FileOutputStream out;
    static long asked, next;
    static sun.misc.Unsafe unsafe;

    static void truth(long bytes) throws Exception {
        asked += bytes;
        long now = System.currentTimeMillis();
        if (now >= next) {
            String line = now + "000000 " + ProcessHandle.current().pid() + " " + asked + " " + asked + "\n";
            out.write(line.getBytes());
            next = now + 100;
        }
    }

    /** A Deflater that is never ended. What zlib takes for one is not known here. */
    static void compress() throws Exception {
        Deflater d = new Deflater();
        d.setInput(new byte[100]);
        d.finish();
        d.deflate(new byte[200]);
        kept.add(d);
        truth(0);
    }

    static void readChunk() throws Exception {
        kept.add(ByteBuffer.allocateDirect(10000));
        truth(10000);
    }

    static void allocateRow() throws Exception {
        unsafe.setMemory(unsafe.allocateMemory(5000), 5000, (byte) 1);
        truth(5000);
    }

    public static void main(String[] args) throws Exception {
        out = new FileOutputStream(System.getenv("TRUTH"), true);
        Field f = sun.misc.Unsafe.class.getDeclaredField("theUnsafe");
        f.setAccessible(true);
        unsafe = (sun.misc.Unsafe) f.get(null);
        while (true) {
            switch (args[0]) {
                case "deflater": compress(); break;
                case "direct": readChunk(); break;
                default: allocateRow();
            }
            Thread.sleep(args[0].equals("deflater") ? 20 : 5);
        }
    }
}
