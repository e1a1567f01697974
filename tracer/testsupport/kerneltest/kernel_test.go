package kerneltest

import (
	"errors"
	"testing"
)

func TestResolveImage(t *testing.T) {
	errMissing := errors.New("no such package")
	for _, tc := range []struct {
		name         string
		packages     map[string]string
		pkg, version string
		fails        bool
	}{
		{
			name: "file in the image package",
			packages: map[string]string{
				metapackage: "Depends: linux-image-5.10.0-32-cloud-amd64 (= 5.10.223-1)\n",
				"linux-image-5.10.0-32-cloud-amd64": "Version: 5.10.223-1\n" +
					"Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120) | linux-initramfs-tool\n",
			},
			pkg: "linux-image-5.10.0-32-cloud-amd64", version: "5.10.0-32-cloud-amd64_5.10.223-1",
		},
		{
			name: "file in a package of its own",
			packages: map[string]string{
				metapackage: "Depends: linux-base-cloud-amd64 (= 7.2.13-1),\n linux-image-7.2.13+deb14-cloud-amd64 (= 7.2.13-1)\n",
				"linux-image-7.2.13+deb14-cloud-amd64": "Version: 7.2.13-1\n" +
					"Depends: dracut | linux-initramfs-tool, linux-binary-7.2.13+deb14-cloud-amd64 (= 7.2.13-1)\n",
			},
			pkg: "linux-binary-7.2.13+deb14-cloud-amd64", version: "7.2.13+deb14-cloud-amd64_7.2.13-1",
		},
		{name: "no metapackage", fails: true},
		{name: "no image", packages: map[string]string{metapackage: "Depends: linux-base\n"}, fails: true},
		{
			name: "dangling image", fails: true,
			packages: map[string]string{metapackage: "Depends: linux-image-6.1.0-50-cloud-amd64\n"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pkg, version, err := resolveImage(func(name string) (string, error) {
				if text, ok := tc.packages[name]; ok {
					return text, nil
				}
				return "", errMissing
			})
			if (err != nil) != tc.fails {
				t.Fatal(err)
			}
			if pkg != tc.pkg || version != tc.version {
				t.Errorf("got %s, %s; want %s, %s", pkg, version, tc.pkg, tc.version)
			}
		})
	}
}

func TestKernelFile(t *testing.T) {
	for name, want := range map[string]bool{
		"boot/vmlinuz-6.1.0-50-cloud-amd64":                   true,
		"usr/lib/modules/7.2.13+deb14-cloud-amd64/vmlinuz":    true,
		"usr/lib/modules/7.2.13+deb14-cloud-amd64/kernel/a/b": false,
		"usr/share/doc/vmlinuz":                               false,
	} {
		if got := kernelFile.MatchString(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
