/* A Modbus TCP coupler on libmodbus for the gate's peer test: coils, registers, a watchdog.
 *
 * libmodbus reads, checks and answers every telegram; what is here is only the watchdog of the
 * device (registers 0x1000 time in 100 ms, 0x1001 function mask, 0x1003 trigger, 0x1007 restart,
 * 0x1008 stop) and of the latch (coil 1 sets it, coil 2 resets it, input 1 reads it, input 0 reads
 * coil 0 behind its contact). Prints the port it listens on, then a line for each change of coil 0,
 * of the latch and of the beam, and each bite. Serves three clients at a time (the driver, the
 * monitor and a reader beside them) and ends with its input.
 */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BASE 0x1000
#define CLIENTS 3

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int main(void)
{
    modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new_start_address(0, 8, 0, 8, BASE, 16, 0, 0);
    if (context == NULL || map == NULL)
        return 1;
    int listening = modbus_tcp_listen(context, CLIENTS);
    struct sockaddr_in where;
    socklen_t length = sizeof where;
    if (listening < 0 || getsockname(listening, (struct sockaddr *)&where, &length) != 0)
        return 1;
    printf("port %d\n", ntohs(where.sin_port));
    fflush(stdout);

    int running = 0, expired = 0;
    int64_t fed = 0;
    uint8_t before = 0;
    struct pollfd fds[2 + CLIENTS] = {{0, POLLIN, 0}, {listening, POLLIN, 0}};
    for (int i = 2; i < 2 + CLIENTS; i++)
        fds[i].fd = -1;
    for (;;) {
        poll(fds, 2 + CLIENTS, 2);
        if (fds[0].revents)
            break;
        int64_t limit = (int64_t)map->tab_registers[0] * 100;
        if (running && now_ms() - fed > limit) {
            running = 0;
            expired = 1;
            memset(map->tab_bits, 0, 8);
            printf("bite\n");
        }
        if (fds[1].revents) {
            int client = accept(listening, NULL, NULL);
            for (int i = 2; i < 2 + CLIENTS && client >= 0; i++)
                if (fds[i].fd < 0) {
                    fds[i] = (struct pollfd){client, POLLIN, 0};
                    client = -1;
                }
            if (client >= 0)
                close(client);
        }
        for (int i = 2; i < 2 + CLIENTS; i++) {
            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
            modbus_set_socket(context, fds[i].fd);
            int got = modbus_receive(context, query);
            if (got < 0) {
                close(fds[i].fd);
                fds[i].fd = -1;
                continue;
            }
            if (got == 0)
                continue;
            int head = modbus_get_header_length(context);
            int function = query[head];
            int address = query[head + 1] << 8 | query[head + 2];
            int value = query[head + 3] << 8 | query[head + 4];
            if (expired && !(function == 6 && address == BASE + 7)) {
                modbus_reply_exception(context, query, MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE);
                continue;
            }
            if (running && function == 6 && address == BASE) {
                modbus_reply_exception(context, query, MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE);
                continue;
            }
            modbus_reply(context, query, got, map);
            if (function == 6 && address == BASE + 3 && value) {
                running = 1;
                fed = now_ms();
            } else if (function == 6 && address == BASE + 7 && expired) {
                expired = 0;
                running = 1;
                fed = now_ms();
            } else if (function == 6 && address == BASE + 8) {
                running = 0;
            } else if (map->tab_registers[1] >> (function - 1) & 1) {
                fed = now_ms();
            }
        }
        if (map->tab_bits[0] != before) {
            before = map->tab_bits[0];
            printf("coil %d\n", before);
        }
        uint8_t *latch = &map->tab_input_bits[1], *beam = &map->tab_input_bits[0];
        uint8_t latch_before = *latch, beam_before = *beam;
        if (map->tab_bits[1])
            *latch = 1;
        else if (map->tab_bits[2])
            *latch = 0;
        *beam = map->tab_bits[0] && !*latch;
        if (*latch != latch_before)
            printf("latch %d\n", *latch);
        if (*beam != beam_before)
            printf("beam %d\n", *beam);
        fflush(stdout);
    }
    for (int i = 2; i < 2 + CLIENTS; i++)
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    close(listening);
    modbus_mapping_free(map);
    modbus_free(context);
    return 0;
}
