/// Logs of the real engine that Docker 20.10 has in it, as they came.
package enum CapturedLogs {
    package static let cold = #"""
        #1 [internal] load build definition from Dockerfile
        #1 sha256:294b7031ebc85334d9efc668e29802268bf1ac67ce7f206803cc164c61e3ce78
        #1 transferring dockerfile: 295B 0.0s done
        #1 DONE 0.0s

        #2 [internal] load .dockerignore
        #2 sha256:2b1a468f93e1ea171f58a1a68a8957f6a413b898cf1d68140cd0ad19428935ef
        #2 transferring context: 2B done
        #2 DONE 0.0s

        #3 [internal] load build context
        #3 sha256:65616b842d1996def4424d22d87b369003418216933b4f5918e2976a6f77139c
        #3 transferring context: 1.98MB 0.1s done
        #3 DONE 0.1s

        #4 [base 1/3] COPY busybox /bin/sh
        #4 sha256:8171e4edc666f83953d8f45dc9e48ce7e8a41faa3df84535f8fc6af899815a4e
        #4 DONE 0.1s

        #5 [base 2/3] COPY busybox /bin/busybox
        #5 sha256:b5081aedd55bc3024b8342a1b3ecfe08bc24be153fc82e2090709f64bddc06da
        #5 DONE 0.1s

        #6 [base 3/3] RUN ["/bin/busybox","--install","-s","/bin"]
        #6 sha256:e6bf53482353cbf573fb8a79ea3ff1bbb2b648050bf54f391683f131ab15ffdf
        #6 DONE 0.2s

        #7 [mid 1/2] RUN echo hello; sleep 1.2; echo world >&2
        #7 sha256:efb2f1d74a1474b4da12f5c9e405ff834e741f8f9e82edcfcabf4b1a1a743e4b
        #7 0.170 hello
        #7 1.373 world
        #7 DONE 1.4s

        #8 [mid 2/2] RUN echo "exit code: 137"; echo Killed; echo OOM
        #8 sha256:d4a2c653ae647bc4564c071ef233f59a6f49db36c068beb9d8b95c1c5220f201
        #8 0.263 exit code: 137
        #8 0.263 Killed
        #8 0.263 OOM
        #8 DONE 0.3s

        #9 [stage-2 1/2] WORKDIR /x
        #9 sha256:204e9c7b0c0a6c81a2fda09b05b4814593a7b26c8871af16a21802eb19a90945
        #9 DONE 0.1s

        #10 [stage-2 2/2] COPY file file
        #10 sha256:79eee09a53bd40f192e00e71f163dec50916fb4290bffd05af53ce1107c6d689
        #10 DONE 0.0s

        #11 exporting to image
        #11 sha256:e8c613e07b0b7ff33893b694f7759a10d42e180f2b4dc349fb57dc6b71dcab00
        #11 exporting layers
        #11 exporting layers 0.2s done
        #11 writing image sha256:aba9169dd7e191ff60d5002b115dad8ee729529f870cfc8dd1821ea6ab0dd155 done
        #11 naming to docker.io/library/a:1 done
        #11 DONE 0.2s
        """#

    package static let warm = #"""
        #1 [internal] load build definition from Dockerfile
        #1 sha256:fdcaf31242065887a0409efcb4a5b6037e86ff0674c1a9c51588ba730a420e7d
        #1 transferring dockerfile: 32B done
        #1 DONE 0.0s

        #2 [internal] load .dockerignore
        #2 sha256:f667369e5a90c70709e86e9370178fadb3720b36258f8ef3871cfe5395c2c393
        #2 transferring context: 2B done
        #2 DONE 0.0s

        #3 [internal] load build context
        #3 sha256:04cd626cc84ceea9802775d99dd249ccb5222360922560acd3a00c08ae5ff8cb
        #3 transferring context: 53B done
        #3 DONE 0.0s

        #5 [base 2/3] COPY busybox /bin/busybox
        #5 sha256:363da1fdd4bcb5de8e52405f7e8c6b4308261c2ce2c72f13c934f2b6d81a7fb8
        #5 CACHED

        #8 [mid 2/2] RUN echo "exit code: 137"; echo Killed; echo OOM
        #8 sha256:74107aca777caae63260093169349c5da42df295d027677effec4f908638b623
        #8 CACHED

        #6 [base 3/3] RUN ["/bin/busybox","--install","-s","/bin"]
        #6 sha256:56bf992ddf917fe90dee27b6bf437f056a35222e354be459e00c7e728fc5c66d
        #6 CACHED

        #9 [stage-2 1/2] WORKDIR /x
        #9 sha256:e15c8eddffc95896100363ffc13511ad52c2d224c74aaae70bb0803a2a1cf858
        #9 CACHED

        #4 [base 1/3] COPY busybox /bin/sh
        #4 sha256:4b20a8c404ff26e744360961ee4dcf2be575c3d66aa1a560e9edad5a3ef10e78
        #4 CACHED

        #7 [mid 1/2] RUN echo hello; sleep 1.2; echo world >&2
        #7 sha256:253769bc296aeab23d30cbd48865d297c43834aea800980e63f09d74a4a7cc39
        #7 CACHED

        #10 [stage-2 2/2] COPY file file
        #10 sha256:b4e65116dd030cf3fa78631f25ad7347643c68d29bb556e9742410f4e844728c
        #10 CACHED

        #11 exporting to image
        #11 sha256:e8c613e07b0b7ff33893b694f7759a10d42e180f2b4dc349fb57dc6b71dcab00
        #11 exporting layers done
        #11 writing image sha256:aba9169dd7e191ff60d5002b115dad8ee729529f870cfc8dd1821ea6ab0dd155
        #11 writing image sha256:aba9169dd7e191ff60d5002b115dad8ee729529f870cfc8dd1821ea6ab0dd155 done
        #11 naming to docker.io/library/a:1 done
        #11 DONE 0.0s
        """#

    package static let failingStep = #"""
        #1 [internal] load build definition from Dockerfile.fail
        #1 sha256:39eed223108c50e948012debdba05417b14b8ec5e36ac2917f5a6623746e336c
        #1 transferring dockerfile: 194B done
        #1 DONE 0.0s

        #2 [internal] load .dockerignore
        #2 sha256:0f0dd67d87c918a3a51ddd0aef9971c802a955e92ca8a5d00a8cf7b6ee59399e
        #2 transferring context: 2B done
        #2 DONE 0.0s

        #3 [internal] load metadata for docker.io/library/a:1
        #3 sha256:766d0752fb260a33261cc007fb944b3491598de0bceca9ce1197bbb42604ce7d
        #3 DONE 0.0s

        #4 [1/2] FROM docker.io/library/a:1
        #4 sha256:28e62a47e686d971a3a47b35d604c4b07478d303d58c24a5f77b67c53ca371e4
        #4 DONE 0.3s

        #5 [2/2] RUN for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo line $i; done; echo Killed; echo cannot allocate memory >&2; exit 3
        #5 sha256:64bae7b239b83e0b0c9e66b2685330803cc8070cbead42c714b65048d0a67b09
        #5 0.171 line 1
        #5 0.171 line 2
        #5 0.171 line 3
        #5 0.171 line 4
        #5 0.171 line 5
        #5 0.171 line 6
        #5 0.171 line 7
        #5 0.171 line 8
        #5 0.171 line 9
        #5 0.171 line 10
        #5 0.171 line 11
        #5 0.171 line 12
        #5 0.171 line 13
        #5 0.171 line 14
        #5 0.171 line 15
        #5 0.171 line 16
        #5 0.171 line 17
        #5 0.171 line 18
        #5 0.171 line 19
        #5 0.171 line 20
        #5 0.171 Killed
        #5 0.181 cannot allocate memory
        #5 ERROR: executor failed running [/bin/sh -c for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo line $i; done; echo Killed; echo cannot allocate memory >&2; exit 3]: exit code: 3
        ------
         > [2/2] RUN for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo line $i; done; echo Killed; echo cannot allocate memory >&2; exit 3:
        ------
        executor failed running [/bin/sh -c for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo line $i; done; echo Killed; echo cannot allocate memory >&2; exit 3]: exit code: 3
        """#

    package static let outOfMemory = #"""
        #1 [internal] load build definition from Dockerfile.oom2
        #1 sha256:da0df0f85bc43e2e13af06c4c07899ee93e80b4d083adc905be600c3ba6dfc7f
        #1 transferring dockerfile: 83B done
        #1 DONE 0.1s

        #2 [internal] load .dockerignore
        #2 sha256:4b5f1225dbc3efae3cae9c1ea697a217d20bc3af04f86053801443baac478c71
        #2 transferring context: 2B done
        #2 DONE 0.1s

        #3 [internal] load metadata for docker.io/library/a:1
        #3 sha256:766d0752fb260a33261cc007fb944b3491598de0bceca9ce1197bbb42604ce7d
        #3 DONE 0.0s

        #4 [1/2] FROM docker.io/library/a:1
        #4 sha256:28e62a47e686d971a3a47b35d604c4b07478d303d58c24a5f77b67c53ca371e4
        #4 CACHED

        #5 [2/2] RUN tail -c 200000000 /dev/zero
        #5 sha256:5118d7a71d7867ff7160ab303766c45e0319456445dc65d147ec828cc131346e
        #5 ERROR: executor failed running [/bin/sh -c tail -c 200000000 /dev/zero]: exit code: 137
        ------
         > [2/2] RUN tail -c 200000000 /dev/zero:
        ------
        executor failed running [/bin/sh -c tail -c 200000000 /dev/zero]: exit code: 137
        """#

    package static let commandOverLines = #"""
        #1 [internal] load build definition from Dockerfile.heredoc
        #1 sha256:6b70e325732bdd5cab757912c1365b0f1a7394527a5a28233e92c0931167919d
        #1 transferring dockerfile: 132B 0.0s done
        #1 DONE 0.1s

        #2 [internal] load .dockerignore
        #2 sha256:eba1205372f2b8af30b33a80a63d68cb0df2c48e60a01f259d9304ff7e44d9e2
        #2 transferring context: 2B done
        #2 DONE 0.0s

        #3 [internal] load metadata for docker.io/library/a:1
        #3 sha256:766d0752fb260a33261cc007fb944b3491598de0bceca9ce1197bbb42604ce7d
        #3 DONE 0.0s

        #4 [1/2] FROM docker.io/library/a:1
        #4 sha256:28e62a47e686d971a3a47b35d604c4b07478d303d58c24a5f77b67c53ca371e4
        #4 CACHED

        #5 [2/2] RUN ["/bin/sh", "-c", "echo one\necho 'exit code: 137'\necho Killed\nexit 4"]
        #5 sha256:0a9f501d52400427120d6a77a0fc83fcd2bbc88b3969f42aada03537787052f8
        #5 0.273 one
        #5 0.273 exit code: 137
        #5 0.273 Killed
        #5 ERROR: executor failed running [/bin/sh -c echo one
        echo 'exit code: 137'
        echo Killed
        exit 4]: exit code: 4
        ------
         > [2/2] RUN ["/bin/sh", "-c", "echo one\necho 'exit code: 137'\necho Killed\nexit 4"]:
        ------
        executor failed running [/bin/sh -c echo one
        echo 'exit code: 137'
        echo Killed
        exit 4]: exit code: 4
        """#

    package static let unknownInstruction = #"""
        #1 [internal] load build definition from Dockerfile.syn
        #1 sha256:5f067a1a6d562c7b7f4855206c6d855b6cff42f3be9be32faf062a2cdba75405
        #1 transferring dockerfile: 59B done
        #1 DONE 0.0s

        #2 [internal] load .dockerignore
        #2 sha256:dec066a4968ee50115432f7ed87f5bb55b1007240d120ab05cb1a0ba489f5ccc
        #2 transferring context: 2B done
        #2 DONE 0.0s
        failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 2: unknown instruction: RUNN
        """#

    package static let missingFile = #"""
        #1 [internal] load build definition from Dockerfile.copy
        #1 sha256:a19ea04bc932123dfa75ce554bdbbcc26304dfddb4cc4d8f532155f77795ee55
        #1 transferring dockerfile: 67B done
        #1 DONE 0.0s

        #2 [internal] load .dockerignore
        #2 sha256:dd295d3178147dc7daa1df443d2bce29948c6d5fbf2d32a62020d274d1d22020
        #2 transferring context: 2B done
        #2 DONE 0.0s

        #3 [internal] load metadata for docker.io/library/a:1
        #3 sha256:766d0752fb260a33261cc007fb944b3491598de0bceca9ce1197bbb42604ce7d
        #3 DONE 0.0s

        #4 [1/2] FROM docker.io/library/a:1
        #4 sha256:28e62a47e686d971a3a47b35d604c4b07478d303d58c24a5f77b67c53ca371e4
        #4 CACHED

        #5 [internal] load build context
        #5 sha256:4155cb5cd21f320a1e888f186651d011f58d7fce88e6d7f24f53123393cdabd0
        #5 transferring context: 2B done
        #5 DONE 0.0s

        #6 [2/2] COPY nothere /x
        #6 sha256:cb879639838f41783e98d1579c91b6da3b728dc6c3becfbf5a71e181078903f0
        #6 ERROR: "/nothere" not found: not found
        ------
         > [2/2] COPY nothere /x:
        ------
        failed to compute cache key: "/nothere" not found: not found
        """#

    package static let daemonKilled = #"""
        #1 [internal] load build definition from Dockerfile.slow
        #1 sha256:4d2407a3cc531850968f33ad62c21abdbe66c335dca9f6e5cec45e5408da3706
        #1 transferring dockerfile: 75B done
        #1 DONE 0.1s

        #2 [internal] load .dockerignore
        #2 sha256:5c831c65ff8fb0a0bfd7a77861cadd433bba9d13104523aafd2e1b7f2abaa42b
        #2 transferring context: 2B done
        #2 DONE 0.0s

        #3 [internal] load metadata for docker.io/library/a:1
        #3 sha256:766d0752fb260a33261cc007fb944b3491598de0bceca9ce1197bbb42604ce7d
        #3 DONE 0.0s

        #4 [1/2] FROM docker.io/library/a:1
        #4 sha256:28e62a47e686d971a3a47b35d604c4b07478d303d58c24a5f77b67c53ca371e4
        #4 CACHED

        #5 [2/2] RUN echo slow; sleep 30
        #5 sha256:b10427bd8f9ee7720165213ad374a9281ded1b21069156352b29648500fed709
        #5 0.208 slow
        unexpected EOF
        """#
}
